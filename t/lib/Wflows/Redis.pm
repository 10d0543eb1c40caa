package Wflows::Redis;

# A private Redis on loopback. Nothing is kept over a restart: PostgreSQL has the truth.

use strict;
use warnings;

use Carp qw(croak);
use File::Path qw(make_path);
use Wflows::Process qw(alive as_user find_tool free_port read_file spawn stop_pid wait_until write_file);

# dir, port, password (undef: none), keep (survives this process), maxmemory
sub new {
    my ($class, %o) = @_;
    my $self = bless {%o}, $class;
    $self->{log} = "$self->{dir}/redis.log";
    $self->{pid_file} = "$self->{dir}/redis.pid";
    # A socket's name has at most 107 bytes. Who comes in is decided by the password.
    $self->{socket} = "$self->{dir}/redis.sock" if length($self->{dir}) <= 90;
    return $self;
}

sub start {
    my ($self) = @_;
    return $self if $self->is_up;
    make_path($self->{dir});
    $self->{port} //= free_port();
    my @lines = (
        'bind 127.0.0.1', "port $self->{port}", 'daemonize no', 'save ""', 'appendonly no',
        "dir $self->{dir}", 'maxmemory ' . ($self->{maxmemory} // '512mb'), 'maxmemory-policy volatile-lru',
        defined $self->{password} ? "requirepass $self->{password}" : (),
        $self->{socket} ? ("unixsocket $self->{socket}", 'unixsocketperm 777') : (),
    );
    my $conf = write_file("$self->{dir}/redis.conf", join("\n", @lines, ''), 0600);
    my $pid = spawn(log => $self->{log},
        command => [as_user(undef, $self->{keep} ? undef : 'KILL'), find_tool('redis-server'), $conf]);
    write_file($self->{pid_file}, "$pid\n");
    my $up = wait_until(20, sub { $self->is_up && eval { $self->client->ping } });
    croak "Redis did not start within 20 s: see $self->{log}\n" . read_file($self->{log}) unless $up;
    return $self;
}

sub pid {
    my ($self) = @_;
    return 0 unless -e $self->{pid_file};
    my ($pid) = read_file($self->{pid_file}) =~ /\A(\d+)/;
    return 0 unless $pid && alive($pid);
    # A pid file may outlive its process: after a reboot the number may be somebody else's.
    return (readlink("/proc/$pid/exe") // "") =~ m{/redis-} ? $pid : 0;
}

sub is_up { my ($self) = @_; return $self->pid ? 1 : 0 }

sub stop { my ($self) = @_; return stop_pid($self->pid, 'TERM', 10) }

sub restart { my ($self) = @_; $self->stop; return $self->start }

sub signal_all { my ($self, $signal) = @_; return kill $signal, $self->pid }

sub client {
    my ($self) = @_;
    require Redis;
    return Redis->new(server => "127.0.0.1:$self->{port}", cnx_timeout => 5, read_timeout => 5,
        defined $self->{password} ? (password => $self->{password}) : ());
}

# What a server on the same machine should use: the unix socket, where there is one.
sub local_url {
    my ($self) = @_;
    return $self->url unless $self->{socket};
    my $auth = defined $self->{password} ? ":$self->{password}\@" : '';
    return "unix://$auth$self->{socket}";
}

sub url {
    my ($self) = @_;
    my $auth = defined $self->{password} ? ":$self->{password}\@" : '';
    return "redis://${auth}127.0.0.1:$self->{port}/0";
}

1;
