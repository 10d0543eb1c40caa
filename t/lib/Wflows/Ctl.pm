package Wflows::Ctl;

# What the tests of wflowsctl share: running it, and looking at what it said.

use strict;
use warnings;

use Cpanel::JSON::XS ();
use Exporter qw(import);
use Test::More;

our @EXPORT_OK = qw(ctl_ok ctl_fails json_of);

my $json = Cpanel::JSON::XS->new->utf8;

# The one document on standard output, or undef (and a failed test) when it is not one.
sub json_of {
    my ($result, $name) = @_;
    my $document = eval { $json->decode($result->{out}) };
    ok(ref $document eq 'HASH', "$name: standard output is one JSON document") or diag($result->{out});
    return $document;
}

# Must end with 0. Returns the document of --json, else the result.
sub ctl_ok {
    my ($stack, $args, $name, %o) = @_;
    my $r = $stack->ctl_raw($args, %o);
    is($r->{rc}, 0, $name) or diag("wflowsctl @$args\n$r->{out}$r->{err}");
    return (grep { $_ eq '--json' } @$args) && $r->{rc} == 0 ? json_of($r, $name) : $r;
}

# Must end with `code` and say something like `pattern`; with --json, say so there too.
sub ctl_fails {
    my ($stack, $args, $code, $pattern, $name, %o) = @_;
    my $r = $stack->ctl_raw($args, %o);
    is($r->{rc}, $code, $name) or diag("wflowsctl @$args\n$r->{out}$r->{err}");
    like($r->{err}, $pattern, "$name: it is said why");
    return $r unless grep { $_ eq '--json' } @$args;
    my $document = json_of($r, $name) // {};
    is($document->{error}{exit_code}, $code, "$name: the document has the exit code");
    like($document->{error}{message} // '', $pattern, "$name: the document says why");
    return $r;
}

1;
