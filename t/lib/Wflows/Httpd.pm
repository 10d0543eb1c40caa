package Wflows::Httpd;

# A private httpd on loopback with the event MPM and the modules of this build.

use strict;
use warnings;

use Carp qw(croak);
use Cwd ();
use File::Path qw(make_path);
use IO::Socket::INET;
use Wflows::Process qw(alive as_user find_tool free_port read_file run spawn stop_pid wait_until write_file);

my @stock_modules = qw(authn_core authz_core authz_host authz_user env setenvif headers alias dir
    status proxy proxy_http deflate reqtimeout rewrite macro);

# dir, modules_dir (where our .so files are), port, keep (survives this process), global (lines for the
# server), main (lines for the main server after them), mpm {directive => value}, mpm_module (event),
# stock_modules (more of httpd's own), log_level
sub new {
    my ($class, %o) = @_;
    my $self = bless { global => '', main => '', mpm_module => 'event', mpm => {}, log_level => 'info', %o }, $class;
    $self->{program} = find_tool('apache2') // find_tool('httpd') // croak 'httpd not found: install apache2-bin';
    $self->{program} = Cwd::realpath($self->{program});
    $self->{conf} = "$self->{dir}/httpd.conf";
    $self->{error_log} = "$self->{dir}/error.log";
    $self->{access_log} = "$self->{dir}/access.log";
    $self->{pid_file} = "$self->{dir}/httpd.pid";
    return $self;
}

sub _stock_dir {
    my ($self) = @_;
    my ($dir) = grep { -e "$_/mod_mpm_event.so" } '/usr/lib/apache2/modules', '/usr/lib64/httpd/modules',
        '/usr/lib/httpd/modules';
    return $dir // croak 'the folder of httpd\'s own modules was not found';
}

sub _load_modules {
    my ($self) = @_;
    my $stock = $self->_stock_dir;
    my @lines = map { "LoadModule ${_}_module $stock/mod_$_.so" } grep { -e "$stock/mod_$_.so" } "mpm_$self->{mpm_module}", @stock_modules,
        @{ $self->{stock_modules} // [] };
    my $built_in = run(command => [$self->{program}, '-l'])->{out};
    for my $name (qw(unixd log_config watchdog version)) {
        push @lines, "LoadModule ${name}_module $stock/mod_$name.so"
            unless $built_in =~ /\bmod_$name\.c\b/ || !-e "$stock/mod_$name.so";
    }
    push @lines, map { "LoadModule ${_}_module $self->{modules_dir}/mod_$_.so" } $self->own_modules;
    return @lines;
}

# Those of our modules that are built.
sub own_modules {
    my ($self) = @_;
    return @{ $self->{own_modules} } if $self->{own_modules};
    return grep { -e "$self->{modules_dir}/mod_$_.so" } qw(wflows_tenant wflows_flows wflows_admin);
}

sub write_conf {
    my ($self) = @_;
    make_path("$self->{dir}/run", "$self->{dir}/htdocs");
    $self->{port} //= free_port();
    my %mpm = (StartServers => 2, ServerLimit => 4, ThreadsPerChild => 16, ThreadLimit => 64, MinSpareThreads => 8,
        MaxSpareThreads => 64, MaxRequestWorkers => 64, %{ $self->{mpm} });
    my @lines = (
        "ServerRoot \"$self->{dir}\"", 'ServerName 127.0.0.1', "Listen 127.0.0.1:$self->{port}",
        "PidFile $self->{pid_file}", "DefaultRuntimeDir $self->{dir}/run", "ErrorLog $self->{error_log}",
        "LogLevel $self->{log_level}", "DocumentRoot \"$self->{dir}/htdocs\"", 'ServerTokens Prod',
        $self->_load_modules,
        ($> == 0 ? ('User www-data', 'Group www-data') : ()),
        # A child that changed its user can be looked over for leaks only if it may dump core.
        ($ENV{WF_TEST_PRELOAD} ? "CoreDumpDirectory $self->{dir}/run" : ()),
        (map { "$_ $mpm{$_}" } grep { $self->{mpm_module} ne 'prefork' || !/Thread|ServerLimit/ } sort keys %mpm),
        'KeepAlive On', 'MaxKeepAliveRequests 0', 'Timeout 30',
        '<Directory />', '  Require all denied', '</Directory>',
        "<Directory \"$self->{dir}/htdocs\">", '  Require all granted', '</Directory>',
        $self->{global}, $self->{main}, '',
    );
    write_file($self->{conf}, join("\n", @lines), 0644);
    return $self;
}

# `apache2 -t` of a configuration text that stands in place of `main`; { rc, err }.
sub configtest {
    my ($self, $main) = @_;
    local $self->{main} = $main // $self->{main};
    local $self->{conf} = "$self->{dir}/configtest.conf";
    local $self->{error_log} = "$self->{dir}/configtest.log";
    $self->write_conf;
    return run(command => [$self->{program}, '-f', $self->{conf}, '-t'], timeout => 30,
        env => $ENV{WF_TEST_PRELOAD} ? { LD_PRELOAD => $ENV{WF_TEST_PRELOAD} } : {});
}

sub start {
    my ($self) = @_;
    return $self if $self->is_up;
    $self->write_conf;
    unlink $self->{pid_file};
    my $started = "$self->{dir}/startup.log";
    # A build with sanitizers needs their run time before anything else (./run-tests --sanitizers).
    my %sanitizers = $ENV{WF_TEST_PRELOAD} ? (LD_PRELOAD => $ENV{WF_TEST_PRELOAD}) : ();
    my $pid = spawn(log => $started, cwd => $self->{dir}, env => { %sanitizers, %{ $self->{env} // {} } },
        command => [as_user(undef, $self->{keep} ? undef : 'TERM'), $self->{program}, '-f', $self->{conf}, '-DFOREGROUND']);
    my $up = wait_until(30, sub { !alive($pid) || ($self->is_up && $self->_answers) });
    croak "httpd did not start:\n" . join('', map { -e $_ ? read_file($_) : () } $started, $self->{error_log})
        unless $up && $self->is_up;
    return $self;
}

sub _answers {
    my ($self) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 2) or return 0;
    close($s);
    return 1;
}

sub pid {
    my ($self) = @_;
    return 0 unless -e $self->{pid_file};
    my ($pid) = read_file($self->{pid_file}) =~ /\A(\d+)/;
    # A pid file may outlive its process: after a reboot the number may be somebody else's.
    return 0 unless $pid && alive($pid) && (readlink("/proc/$pid/exe") // '') eq $self->{program};
    return $pid;
}

sub is_up { my ($self) = @_; return $self->pid ? 1 : 0 }

sub children {
    my ($self) = @_;
    my $main = $self->pid or return ();
    my @pids;
    for my $stat (glob('/proc/[0-9]*/stat')) {
        open(my $fh, '<', $stat) or next;
        my ($pid, $state, $parent) = (<$fh> // '') =~ /^(\d+) \(.*\) (\S) (\d+)/s or next;
        push @pids, $pid if $parent == $main && $state ne 'Z';
    }
    my @sorted = sort { $a <=> $b } @pids;
    return @sorted; # the number of them where a number is asked for
}

sub stop { my ($self) = @_; return stop_pid($self->pid, 'TERM', 15) }

# All of it at once, as when the machine kills it: stopped first, so that no child is born meanwhile.
sub kill_all {
    my ($self) = @_;
    my $main = $self->pid or return 0;
    kill 'STOP', $main;
    my @all = ($main, $self->children);
    kill 'KILL', @all;
    return wait_until(10, sub { !grep { alive($_) } @all });
}

sub graceful { my ($self) = @_; return kill 'USR1', $self->pid }

sub restart { my ($self) = @_; $self->stop; return $self->start }

sub url { my ($self, $path) = @_; return "http://127.0.0.1:$self->{port}" . ($path // '') }

1;
