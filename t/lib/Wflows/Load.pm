package Wflows::Load;

# Users who walk the appointment flow while a test breaks something: as many connections as bench/run has, kept
# open, each request sent as soon as the last is answered. Each user remembers what it was answered, so that
# afterwards the database can be held against it: no wrong answer, no step lost that was answered with 200.

use strict;
use warnings;

use Cpanel::JSON::XS ();
use POSIX ();
use Time::HiRes qw(sleep time);
use Wflows::Process qw(alive read_file wait_until);

my $json = Cpanel::JSON::XS->new->utf8->canonical;

# A request without an answer, by what HTTP::Tiny says of it; what is in none of these counts as "no answer".
my @troubles = (
    [refused => qr/^Could not connect/],
    [timeout => qr/^Timed out/],
    [closed => qr/^(?:Unexpected end of stream|Socket closed by remote server|Could not (?:read from|write to) socket)/],
);

# tenant, flow, workers (24), dir, name (tells the tokens of one load from another's)
sub start {
    my ($class, %o) = @_;
    my $self = bless { workers => 24, name => 'load', %o }, $class;
    $self->{stop_file} = "$self->{dir}/$self->{name}.stop";
    unlink $self->{stop_file};
    my $parent = $$;
    for my $number (1 .. $self->{workers}) {
        my $pid = fork() // die "fork: $!";
        if (!$pid) {
            eval { $self->_work($number, $parent); 1 } or $self->_note($number, { wrong => "$@" });
            POSIX::_exit(0);
        }
        push @{ $self->{pids} }, $pid;
    }
    return $self;
}

sub _file { my ($self, $number) = @_; return "$self->{dir}/$self->{name}-$number.ndjson" }

sub _note {
    my ($self, $number, $what) = @_;
    open(my $fh, '>>', $self->_file($number)) or return;
    syswrite($fh, $json->encode($what) . "\n");
    close($fh);
}

# What each step must be answered with; a name that only this user has shows a mixed-up session.
sub _steps {
    my ($name) = @_;
    return (
        ['INIT', '', {}, sub { return $_[0]{screen} eq 'CHOOSE_SERVICE' && @{ $_[0]{data}{services} } == 3 }],
        ['data_exchange', 'CHOOSE_SERVICE', { service => "s-$name", day => '2030-05-17' },
            sub { return $_[0]{screen} eq 'CHOOSE_TIME' && $_[0]{data}{intro} eq "Times for s-$name on 2030-05-17:" }],
        ['data_exchange', 'CHOOSE_TIME', { time => '0900', name => $name, age => '40' },
            sub { return $_[0]{screen} eq 'CONFIRM' && $_[0]{data}{summary} eq "$name: s-$name on 2030-05-17 at 0900" }],
        ['data_exchange', 'CONFIRM', { reminder => Cpanel::JSON::XS::false },
            sub { return $_[0]{screen} eq 'SUCCESS' && $_[0]{data}{extension_message_response}{params}{name} eq $name }],
    );
}

sub _trouble {
    my ($error) = @_;
    my ($is) = grep { $error =~ $_->[1] } @troubles;
    return $is ? $is->[0] : 'no answer';
}

# One walk with a token of its own, over the worker's one connection.
sub _walk {
    my ($self, $number, $client, $n) = @_;
    my $token = "$self->{name}-$number-$n";
    my ($acknowledged, $id, %seen) = (0, 0);
    STEP: for my $step (_steps("user-$number-$n")) {
        my ($action, $screen, $data, $right) = @$step;
        my $request = $client->request($action, $screen, $data, token => $token);
        for my $try (1 .. 400) {
            my $request_id = "$token-" . ++$id;
            my $begin = time;
            my $r = $client->send($request, headers => { 'x-request-id' => $request_id });
            my $took = time - $begin;
            my $what = $r->{status} == 599 ? _trouble($r->{error}) : $r->{status};
            $seen{$what}++;
            $self->_note($number, { slow => $took, status => $what, token => $token }) if $took > 1;
            if ($r->{status} == 200) {
                $self->_note($number, { wrong => $r->{plain} // "not decrypted: $r->{body}", token => $token, asked => $request })
                    unless $r->{answer} && eval { $right->($r->{answer}) };
                $acknowledged++;
                last;
            }
            # Nothing but these may happen: no answer, or a clean refusal that promises nothing was done.
            if ($r->{status} == 599) {
                $self->_note($number, { unanswered => $request_id, how => $r->{error} });
            } elsif ($r->{status} != 503) {
                $self->_note($number, { wrong => "status $r->{status}: $r->{body}", token => $token });
            }
            last STEP if -e $self->{stop_file};
            sleep 0.05;
        }
    }
    $self->_note($number, { token => $token, acknowledged => $acknowledged, seen => \%seen });
}

sub _work {
    my ($self, $number, $parent) = @_;
    my $client = $self->{tenant}->client(flow => $self->{flow});
    $client->{http}{timeout} = 8;
    for (my $n = 1; !-e $self->{stop_file} && getppid() == $parent; $n++) {
        $self->_walk($number, $client, $n);
    }
}

# Ends it. { walks, complete, seen {status or trouble => count}, wrong [..], slow [..], unanswered {request id => how},
# acknowledged {token => steps} }
sub stop {
    my ($self) = @_;
    open(my $fh, '>', $self->{stop_file});
    close($fh);
    wait_until(60, sub { !grep { alive($_) } @{ $self->{pids} } });
    kill 'KILL', grep { alive($_) } @{ $self->{pids} };
    my %result = (walks => 0, complete => 0, seen => {}, wrong => [], slow => [], unanswered => {}, acknowledged => {});
    for my $number (1 .. $self->{workers}) {
        next unless -e $self->_file($number);
        for my $line (split /\n/, read_file($self->_file($number))) {
            my $note = $json->decode($line);
            push @{ $result{wrong} }, $line if exists $note->{wrong};
            push @{ $result{slow} }, $note if exists $note->{slow};
            $result{unanswered}{ $note->{unanswered} } = $note->{how} if exists $note->{unanswered};
            next unless exists $note->{acknowledged};
            $result{walks}++;
            $result{complete}++ if $note->{acknowledged} == 4;
            $result{seen}{$_} += $note->{seen}{$_} for keys %{ $note->{seen} };
            $result{acknowledged}{ $note->{token} } = $note->{acknowledged};
        }
    }
    return \%result;
}

# What the client saw, for people.
sub seen_text {
    my ($self, $result) = @_;
    my $n = 0;
    $n += $_ for values %{ $result->{seen} };
    my ($slowest) = sort { $b <=> $a } map { $_->{slow} } @{ $result->{slow} };
    return "$n requests: " . join(', ', map { "$_: $result->{seen}{$_}" } sort keys %{ $result->{seen} })
        . sprintf('; slowest %s', defined $slowest ? sprintf('%.1f s', $slowest) : 'under 1 s');
}

# Steps that were answered with 200 and that the database does not have: texts, none if all is well.
sub lost_steps {
    my ($self, $result) = @_;
    require Digest::SHA;
    my %in_database = map { $_->{token} => $_ } @{ $self->{tenant}->sessions };
    my @lost;
    for my $token (sort keys %{ $result->{acknowledged} }) {
        my $n = $result->{acknowledged}{$token} or next;
        my $session = $in_database{ Digest::SHA::sha256_hex($token) };
        my $steps = $session ? $session->{step} : 0;
        push @lost, "$token: $n steps answered with 200, $steps in the database" if $steps < $n || $steps > $n + 1;
        push @lost, "$token: SUCCESS was answered, but the session is $session->{status}"
            if $n == 4 && $session && $session->{status} ne 'completed';
    }
    return @lost;
}

1;
