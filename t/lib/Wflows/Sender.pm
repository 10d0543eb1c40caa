package Wflows::Sender;

# Meta, sending webhooks while a test breaks something: several connections, kept open; what is not answered with
# 200 is sent again, unchanged, until it is. Each connection writes down what was answered with 200, so that
# afterwards the database and the company's receiver can be held against it.
#
# A post has one to three events, finished flows, texts and statuses; one in eight is posted by a second connection too
# at about the same time, and one in eight again after its 200.

use strict;
use warnings;

use Cpanel::JSON::XS ();
use POSIX ();
use Time::HiRes qw(sleep time);
use Wflows::Process qw(alive read_file wait_until);
use Wflows::Webhook;

my $json = Cpanel::JSON::XS->new->utf8->canonical;

# tenant, dir, workers (8), pause: seconds between the posts of one connection, at most (0.1)
sub start {
    my ($class, %o) = @_;
    my $self = bless { workers => 8, pause => 0.1, %o }, $class;
    $self->{stop_file} = "$self->{dir}/sender.stop";
    my $parent = $$;
    for my $number (1 .. $self->{workers}) {
        my $pid = fork() // die "fork: $!";
        if (!$pid) {
            eval { $self->_work($number, $parent); 1 } or $self->_note($number, { trouble => "$@" });
            POSIX::_exit(0);
        }
        push @{ $self->{pids} }, $pid;
    }
    return $self;
}

sub _file { my ($self, $number) = @_; return "$self->{dir}/sender-$number.ndjson" }

sub _note {
    my ($self, $number, $what) = @_;
    open(my $fh, '>>', $self->_file($number)) or die "cannot write: $!";
    syswrite($fh, $json->encode($what) . "\n");
    close($fh);
}

# What post `n` of `who` has: always the same, whoever sends it. Returns [dedup key, event], …
sub _events {
    my ($hook, $who, $n) = @_;
    return map {
        my $id = "wamid.$who.$n.$_";
        my $kind = ($n + $_) % 3;
        my $event = $kind == 0 ? $hook->reply({ flow_token => "token-$id", answer => "a\x{e7}\x{e3}o $n" }, id => $id)
            : $kind == 1 ? $hook->text(id => $id)
            : $hook->status('delivered', $id);
        [$kind == 2 ? "status:$id:delivered" : "message:$id", $event];
    } 1 .. 1 + $n % 3;
}

# Posts until it is answered with 200. Returns { status => count }.
sub _post_until_taken {
    my ($self, $hook, $body) = @_;
    my %seen;
    for (1 .. 2000) {
        my $r = $hook->post($body);
        $seen{ $r->{status} == 599 ? 'no answer' : $r->{status} }++;
        return \%seen if $r->{status} == 200;
        die "status $r->{status}: $r->{content}\n" unless $r->{status} == 503 || $r->{status} == 599;
        sleep 0.05 + rand(0.1);
    }
    die "not taken in 2000 tries\n";
}

sub _work {
    my ($self, $number, $parent) = @_;
    my $hook = Wflows::Webhook->new(tenant => $self->{tenant});
    $hook->{http}{timeout} = 10;
    srand($$);
    for (my $n = 1; !-e $self->{stop_file} && getppid() == $parent; $n++) {
        # Connections 1 and 2 share these posts, 3 and 4, …
        my $who = $n % 8 == 0 ? 'both' . int(($number + 1) / 2) : "c$number";
        my @events = _events($hook, $who, $n);
        my @by_kind = ([], []);
        push @{ $by_kind[$_->[0] =~ /^status/ ? 1 : 0] }, $_->[1] for @events;
        my $body = $json->encode($hook->envelope('messages', $hook->value(
            @{ $by_kind[0] } ? (messages => $by_kind[0]) : (), @{ $by_kind[1] } ? (statuses => $by_kind[1]) : ())));
        for my $copy (1 .. ($n % 8 == 4 ? 2 : 1)) {
            my $seen = $self->_post_until_taken($hook, $body);
            $self->_note($number, { taken => [map { $_->[0] } @events], seen => $seen });
        }
        sleep rand($self->{pause});
    }
}

# Grows with every post that is taken; costs less than to read them.
sub progress {
    my ($self) = @_;
    my $size = 0;
    $size += -s $self->_file($_) // 0 for 1 .. $self->{workers};
    return $size;
}

# The events that have been answered with 200 so far: { key => times }.
sub taken {
    my ($self) = @_;
    my %taken;
    for my $note ($self->_notes) {
        $taken{$_}++ for @{ $note->{taken} // [] };
    }
    return \%taken;
}

sub _notes {
    my ($self) = @_;
    return map { -e $self->_file($_) ? map { $json->decode($_) } grep { /\}\z/ } split(/\n/, read_file($self->_file($_))) : () }
        1 .. $self->{workers};
}

# Ends it, each post taken. { taken {key => times}, seen {status => count}, troubles [texts] }
sub stop {
    my ($self) = @_;
    open(my $fh, '>', $self->{stop_file}) or die "$self->{stop_file}: $!";
    close($fh);
    my $ended = wait_until(90, sub { !grep { alive($_) } @{ $self->{pids} } });
    kill 'KILL', grep { alive($_) } @{ $self->{pids} };
    my %seen;
    my @troubles = $ended ? () : 'a connection did not come to its end';
    for my $note ($self->_notes) {
        $seen{$_} += $note->{seen}{$_} for keys %{ $note->{seen} // {} };
        push @troubles, $note->{trouble} if defined $note->{trouble};
    }
    return { taken => $self->taken, seen => \%seen, troubles => \@troubles };
}

1;
