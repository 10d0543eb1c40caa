package Wflows::Config;

# What the tests of the configuration (t/20-config-*.t) share: `httpd -t` of a snippet, and what it has to say.

use strict;
use warnings;

use Exporter qw(import);
use File::Temp qw(tempdir);
use Test::More;
use Wflows::Httpd;

our @EXPORT_OK = qw(bad config_dir config_httpd config_modules configtest good);

my ($dir, @modules);

# Those that are loaded where a test names none.
sub config_modules { @modules = @_; return }

# A folder that goes with the test.
sub config_dir {
    if (!$dir) {
        $dir = tempdir(CLEANUP => 1);
        chmod 0755, $dir;
    }
    return $dir;
}

sub config_httpd {
    my (@own) = @_;
    return Wflows::Httpd->new(dir => config_dir() . '/httpd', modules_dir => "$ENV{WF_BUILDDIR}/.libs", own_modules => [@own ? @own : @modules]);
}

sub configtest {
    my ($conf, @own) = @_;
    return config_httpd(@own)->configtest($conf);
}

sub good {
    my ($name, $conf, @own) = @_;
    my $r = configtest($conf, @own);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok($r->{rc} == 0 && $r->{err} =~ /^Syntax OK$/m, $name) || diag($r->{err});
}

# The message must be a whole line of what httpd says.
sub bad {
    my ($name, $conf, $message, @own) = @_;
    my $r = configtest($conf, @own);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok($r->{rc} == 1 && $r->{err} =~ /^\Q$message\E$/m, $name) || diag("exit $r->{rc}\n$r->{err}");
}

1;
