package Wflows::Postgres;

# A private PostgreSQL in a folder of its own: unix socket and loopback TCP, both with a password.

use strict;
use warnings;

use Carp qw(croak);
use File::Path qw(make_path);
use Wflows::Process qw(alive as_user find_tool free_port read_file run spawn stop_pid wait_until write_file);

# The longest path a unix socket may have is 107 bytes, of which PostgreSQL adds this many.
use constant SOCKET_NAME_MAX => 107 - length('/.s.PGSQL.65535');

# dir, port, password (of the superuser "postgres"), keep (survives this process), settings {name => value}
sub new {
    my ($class, %o) = @_;
    my $self = bless { settings => {}, %o }, $class;

    $self->{user} = $> == 0 ? (defined getpwnam('postgres') ? 'postgres' : 'nobody') : undef;
    $self->{data} = "$self->{dir}/data";
    $self->{log} = "$self->{dir}/postgres.log";
    $self->{socket_dir} = length($self->{dir}) <= SOCKET_NAME_MAX ? $self->{dir} : undef;
    return $self;
}

sub _own {
    my ($self, $path) = @_;
    return unless defined $self->{user};
    my (undef, undef, $uid, $gid) = getpwnam($self->{user});
    chown($uid, $gid, $path) or croak "cannot give $path to $self->{user}: $!";
}

sub initialise {
    my ($self) = @_;
    return if -e "$self->{data}/PG_VERSION";
    my $initdb = find_tool('initdb') or croak 'initdb not found: install postgresql';

    make_path($self->{dir});
    $self->_own($self->{dir});
    # Everybody may reach the socket: who comes in is decided by the password.
    chmod 0711, $self->{dir};
    my $pwfile = write_file("$self->{dir}/initdb.pw", "$self->{password}\n", 0600);
    $self->_own($pwfile);
    run(command => [as_user($self->{user}), $initdb, '-D', $self->{data}, '-U', 'postgres',
            '--pwfile', $pwfile, '--auth=scram-sha-256', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'],
        cwd => '/', check => 1);
    unlink $pwfile;
}

sub start {
    my ($self) = @_;
    return $self if $self->is_up;
    $self->initialise;
    $self->{port} //= free_port();

    my %set = (
        port => $self->{port},
        listen_addresses => '127.0.0.1',
        unix_socket_directories => $self->{socket_dir} // '',
        max_connections => 120,
        logging_collector => 'off',
        log_min_messages => 'warning',
        %{ $self->{settings} },
    );
    my @options = map { ('-c', "$_=$set{$_}") } sort keys %set;
    open(my $touch, '>>', $self->{log}) or croak "cannot write $self->{log}: $!";
    close($touch);
    $self->_own($self->{log});
    spawn(log => $self->{log},
        command => [as_user($self->{user}, $self->{keep} ? undef : 'QUIT'), find_tool('postgres'),
            '-D', $self->{data}, @options]);
    my $up = wait_until(60, sub { $self->is_up && $self->_ready });
    croak "PostgreSQL did not start within 60 s:\n" . $self->log_tail unless $up;
    return $self;
}

sub log_tail {
    my ($self) = @_;
    my @lines = -e $self->{log} ? split(/^/, read_file($self->{log})) : ();
    return join('', @lines > 15 ? @lines[-15 .. -1] : @lines);
}

sub pid {
    my ($self) = @_;
    my $file = "$self->{data}/postmaster.pid";
    return 0 unless -e $file;
    my ($pid) = read_file($file) =~ /\A(\d+)/;
    return $pid // 0;
}

# A pid file may outlive its process: after a reboot the number may be somebody else's.
sub is_up {
    my ($self) = @_;
    my $pid = $self->pid;
    return alive($pid) && (readlink("/proc/$pid/exe") // "") =~ m{/postgres$} ? 1 : 0;
}

sub _ready {
    my ($self) = @_;
    my $r = run(command => [find_tool('pg_isready'), '-q', '-h', '127.0.0.1', '-p', $self->{port}], timeout => 5);
    return $r->{rc} == 0;
}

# INT: what is running is rolled back, like `pg_ctl stop -m fast`. QUIT: `-m immediate`, a crash as far as the next
# start is concerned.
sub stop {
    my ($self, $signal) = @_;
    return stop_pid($self->pid, $signal // 'INT', 30);
}

sub restart { my ($self, $signal) = @_; $self->stop($signal); return $self->start }

# Freezes or thaws the postmaster and all its children, as a hung disk would.
sub signal_all {
    my ($self, $signal) = @_;
    my $main = $self->pid or return 0;
    my @pids = ($main);
    for my $stat (glob('/proc/[0-9]*/stat')) {
        open(my $fh, '<', $stat) or next;
        my ($pid, $parent) = (<$fh> // '') =~ /^(\d+) \(.*\) \S (\d+)/s or next;
        push @pids, $pid if $parent == $main;
    }
    return kill $signal, @pids;
}

sub url {
    my ($self, $user, $password, $database) = @_;
    return "postgresql://$user:$password\@127.0.0.1:$self->{port}/$database";
}

sub conninfo {
    my ($self, $user, $password, $database) = @_;
    my $host = $self->{socket_dir} // '127.0.0.1';
    return "host=$host port=$self->{port} user=$user password=$password dbname=$database";
}

# A DBI handle; tests and bench look into the database with it.
sub dbh {
    my ($self, $user, $password, $database) = @_;
    require DBI;
    return DBI->connect("dbi:Pg:host=127.0.0.1;port=$self->{port};dbname=$database", $user, $password,
        { RaiseError => 1, PrintError => 0, AutoCommit => 1, pg_enable_utf8 => 1 });
}

1;
