package Wflows::DemoReceiver;

# demo/receiver.pl as a server of the demo: started, found again and stopped like the others.

use strict;
use warnings;

use Carp qw(croak);
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64);
use Wflows::Process qw(alive free_port read_file spawn stop_pid wait_until write_file);

# dir, src (the tree), port, stack: whose secrets
sub new {
    my ($class, %o) = @_;
    my $self = bless {%o}, $class;
    $self->{program} = "$self->{src}/demo/receiver.pl";
    $self->{callback_log} = "$self->{dir}/callbacks.ndjson";
    $self->{log} = "$self->{dir}/receiver.log";
    $self->{pid_file} = "$self->{dir}/receiver.pid";
    return $self;
}

# As Standard Webhooks writes it.
sub secret { my ($self) = @_; return 'whsec_' . encode_base64(pack('H*', $self->{stack}->secret('callback', 24)), '') }

sub url { my ($self) = @_; return "http://127.0.0.1:$self->{port}/callbacks" }

sub start {
    my ($self) = @_;
    return $self if $self->is_up;
    $self->{port} //= free_port();
    my $secret = $self->{stack}->secret_file('callback-whsec', $self->secret . "\n");
    my $pid = spawn(log => $self->{log}, command => [$^X, $self->{program}, $self->{port}, $secret, $self->{callback_log}]);
    write_file($self->{pid_file}, "$pid\n");
    my $answers = sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 2) };
    wait_until(10, sub { !alive($pid) || $answers->() });
    croak "the receiver did not start:\n" . read_file($self->{log}) unless $self->is_up;
    return $self;
}

sub pid {
    my ($self) = @_;
    return 0 unless -e $self->{pid_file};
    my ($pid) = read_file($self->{pid_file}) =~ /\A(\d+)/;
    return 0 unless $pid && alive($pid);
    # A pid file may outlive its process: after a reboot the number may be somebody else's.
    my $command = eval { read_file("/proc/$pid/cmdline") } // '';
    return index($command, "\0$self->{program}\0") >= 0 ? $pid : 0;
}

sub is_up { my ($self) = @_; return $self->pid ? 1 : 0 }

sub stop { my ($self) = @_; return stop_pid($self->pid, 'TERM', 10) }

1;
