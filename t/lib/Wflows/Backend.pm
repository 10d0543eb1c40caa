package Wflows::Backend;

# A small HTTP server on loopback: a company's own system. It writes down what it gets and answers what the
# test says. One process, one request at a time a connection; slow answers do not block others (fork). What a path
# answers may be changed by `set` while it runs.

use strict;
use warnings;

use Carp qw(croak);
use Cpanel::JSON::XS ();
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep time);
use Wflows::Process qw(alive free_port read_file stop_pid write_file);

my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;

# log: file for what came; address (127.0.0.1); answer: sub ({method, path, headers, body}) -> [status,
# {headers}, body], run in the server's process
sub start {
    my ($class, %o) = @_;
    my $self = bless { address => '127.0.0.1', %o }, $class;
    $self->{port} //= free_port();
    my $listen = IO::Socket::INET->new(LocalAddr => $self->{address}, LocalPort => $self->{port}, Listen => 64, ReuseAddr => 1)
        or croak "backend: $!";
    $self->{pid} = fork() // croak "fork: $!";
    return $self if $self->{pid};

    $SIG{CHLD} = 'IGNORE';
    $SIG{TERM} = 'DEFAULT';
    my $parent = getppid();
    my $select = IO::Select->new($listen);
    while (getppid() == $parent) {
        next unless $select->can_read(0.5);
        my $connection = $listen->accept or next;
        next if fork();
        close($listen);
        # A slow answer may outlive the test: what still holds the test's output would keep prove waiting.
        open(STDOUT, '>', '/dev/null') and open(STDERR, '>', '/dev/null') or POSIX::_exit(1);
        eval { 1 while $self->_serve($connection) };
        POSIX::_exit(0);
    }
    POSIX::_exit(0);
}

sub _serve {
    my ($self, $c) = @_;
    my $line = <$c> // return 0;
    my ($method, $path) = $line =~ m{^(\S+) (\S+) HTTP/1} or return 0;
    my %headers;
    while (defined(my $h = <$c>)) {
        last if $h =~ /^\r?\n\z/;
        $headers{ lc $1 } = $2 if $h =~ /^([^:]+):\s*(.*?)\r?\n\z/;
    }
    my $body = '';
    read($c, $body, $headers{'content-length'} // 0);
    my $request = { time => time, method => $method, path => $path, headers => \%headers, body => $body };
    open(my $log, '>>', $self->{log}) or return 0;
    syswrite($log, $json->encode($request) . "\n");
    close($log);
    my ($status, $more, $text) = @{ $self->_set_for($path) // $self->{answer}->($request) // return 0 };
    my $head = join('', map { "$_: $more->{$_}\r\n" } sort keys %$more);
    print {$c} "HTTP/1.1 $status x\r\nContent-Length: " . length($text) . "\r\n$head\r\n$text";
    $c->flush;
    return ($headers{connection} // '') !~ /close/i;
}

sub _sets { my ($self) = @_; return -e "$self->{log}.set" ? $json->decode(read_file("$self->{log}.set")) : {} }

sub _set_for {
    my ($self, $path) = @_;
    my $how = $self->_sets->{ $path =~ s/\?.*//sr } // return undef;
    return [$how->{status}, $how->{headers} // {}, $how->{body} // ''];
}

# From now on `path` gets { status, headers, body }; undef: what `answer` says again.
sub set {
    my ($self, $path, $how) = @_;
    my $all = $self->_sets;
    if ($how) { $all->{$path} = $how } else { delete $all->{$path} }
    my $file = "$self->{log}.set";
    write_file("$file.new", $json->encode($all));
    rename("$file.new", $file) or croak "$file: $!";
}

sub url { my ($self, $path) = @_; return "http://$self->{address}:$self->{port}" . ($path // '/') }

# Every request so far.
sub requests {
    my ($self) = @_;
    return () unless -e $self->{log};
    return map { $json->decode($_) } split(/\n/, read_file($self->{log}));
}

sub stop { my ($self) = @_; return $self->{pid} ? stop_pid(delete $self->{pid}, 'TERM', 5) : 1 }

sub DESTROY { my ($self) = @_; local ($?, $@); $self->stop if $self->{pid} && $self->{pid} != $$ }

1;
