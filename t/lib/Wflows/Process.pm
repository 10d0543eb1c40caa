package Wflows::Process;

# Starting, watching and stopping the servers of a demo or a test: what PostgreSQL, Redis and httpd
# have in common. Only processes that were started here are ever signalled, by their pid.

use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);
use Fcntl qw(:flock);
use File::Path qw(make_path);
use IO::Socket::INET;
use POSIX qw(:sys_wait_h setsid);
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(alive as_user find_tool free_port read_file run spawn stop_pid wait_until write_file);

# The path of a program, or undef. Debian keeps PostgreSQL's and httpd's outside PATH.
sub find_tool {
    my ($name) = @_;
    my @pg = sort { ($b =~ m{/(\d+)/bin$})[0] <=> ($a =~ m{/(\d+)/bin$})[0] }
        glob('/usr/lib/postgresql/*/bin');

    for my $dir (split(/:/, $ENV{PATH} // ''), '/usr/sbin', '/usr/local/sbin', '/sbin', @pg) {
        return "$dir/$name" if -x "$dir/$name" && !-d _;
    }
    return undef;
}

# A loopback port nobody listens on. Ports given out are remembered in lock files for as long as this
# process lives, so that tests running at once do not get the same one between look-up and bind.
my %held;

sub free_port {
    my @preferred = @_;

    my $dir = "/tmp/wflows-ports-$>";
    make_path($dir) unless -d $dir;
    for my $port (@preferred, map { 20000 + int(rand(12000)) } 1 .. 200) {
        open(my $lock, '>>', "$dir/$port") or next;
        next unless flock($lock, LOCK_EX | LOCK_NB);
        my $socket = IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1) or next;
        close($socket);
        $held{$port} = $lock;
        return $port;
    }
    croak 'no free port on 127.0.0.1';
}

sub read_file {
    my ($path) = @_;
    open(my $fh, '<:raw', $path) or croak "cannot read $path: $!";
    local $/;
    my $text = <$fh>;
    return $text // '';
}

# Secrets are written with mode 0600 from the first byte on.
sub write_file {
    my ($path, $text, $mode) = @_;
    $mode //= 0644;
    unlink $path;
    my $old = umask(0777 & ~$mode);
    my $opened = open(my $fh, '>:raw', $path);
    umask($old);
    croak "cannot write $path: $!" unless $opened;
    print {$fh} $text;
    close($fh) or croak "cannot write $path: $!";
    chmod $mode, $path;
    return $path;
}

sub wait_until {
    my ($seconds, $check) = @_;
    my $end = time + $seconds;
    while (1) {
        my $got = $check->();
        return $got if $got;
        return 0 if time >= $end;
        sleep 0.02;
    }
}

sub alive {
    my ($pid) = @_;
    return 0 unless $pid;
    waitpid($pid, WNOHANG);
    return 0 unless kill(0, $pid) || $!{EPERM};
    open(my $fh, '<', "/proc/$pid/stat") or return 0;
    return (<$fh> // '') !~ /\)\s+Z/;
}

# The words in front of a command that make it run as `user` (undef: as now) and, with `die_with_us`,
# end when the process that starts it ends, however that comes.
sub as_user {
    my ($user, $die_with_us) = @_;
    my @words = ('setpriv');
    push @words, '--pdeathsig', $die_with_us if $die_with_us;
    if (defined $user && $> == 0) {
        push @words, "--reuid=$user", '--regid=' . (getpwnam($user))[3], '--clear-groups';
    }
    return @words > 1 ? @words : ();
}

# Starts a program with its output in `log`, detached from the terminal. Returns the pid.
sub spawn {
    my (%o) = @_;
    my $pid = fork() // croak "fork: $!";
    return $pid if $pid;

    # The group of its own keeps Ctrl-C in the terminal from the servers; the test ends them.
    setsid();
    chdir($o{cwd} // '/') or POSIX::_exit(126);
    open(STDIN, '<', '/dev/null');
    open(STDOUT, '>>', $o{log}) or POSIX::_exit(126);
    open(STDERR, '>&', \*STDOUT);
    $ENV{$_} = $o{env}{$_} for keys %{ $o{env} // {} };
    { no warnings; exec { $o{command}[0] } @{ $o{command} }; }
    print STDERR "cannot run $o{command}[0]: $!\n";
    POSIX::_exit(127);
}

# Runs a program to its end. Returns { rc, out, err }; dies when `check` is set and rc is not 0.
sub run {
    my (%o) = @_;
    my @names = map { sprintf('/tmp/wflows-run-%d-%d-%s', $$, int(rand(1e9)), $_) } qw(in out err);
    my ($in, $out, $err) = @names;

    write_file($in, $o{stdin} // '', 0600);
    my $pid = fork() // croak "fork: $!";
    if (!$pid) {
        umask(0077);
        open(STDIN, '<', $in) or POSIX::_exit(126);
        open(STDOUT, '>', $out) or POSIX::_exit(126);
        open(STDERR, '>', $err) or POSIX::_exit(126);
        chdir($o{cwd}) if defined $o{cwd};
        $ENV{$_} = $o{env}{$_} for keys %{ $o{env} // {} };
        { no warnings; exec { $o{command}[0] } @{ $o{command} }; }
        print STDERR "cannot run $o{command}[0]: $!\n";
        POSIX::_exit(127);
    }
    my $done = wait_until($o{timeout} // 120, sub { waitpid($pid, WNOHANG) == $pid });
    my $status = $?;
    if (!$done) {
        kill 'KILL', $pid;
        waitpid($pid, 0);
        $status = 9;
    }
    my %result = (
        rc => $status & 127 ? 128 + ($status & 127) : $status >> 8,
        out => read_file($out),
        err => read_file($err) . ($done ? '' : "\nstill running after " . ($o{timeout} // 120) . " s: killed\n"),
    );
    unlink @names;
    croak "@{$o{command}}: exit $result{rc}\n$result{out}$result{err}" if $o{check} && $result{rc} != 0;
    return \%result;
}

# Ends a process we started: a polite signal, then KILL after `seconds`. 1 when it is gone.
sub stop_pid {
    my ($pid, $signal, $seconds) = @_;
    return 1 unless alive($pid);
    kill 'CONT', $pid;
    kill $signal // 'TERM', $pid;
    return 1 if wait_until($seconds // 10, sub { !alive($pid) });
    kill 'KILL', $pid;
    return wait_until(5, sub { !alive($pid) });
}

1;
