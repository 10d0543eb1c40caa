package Wflows::Browser;

# A headless chromium and what it tells over the DevTools protocol: which requests a page made, what it logged. It
# resolves no name but 127.0.0.1, so that a page that wants elsewhere is seen wanting and gets nowhere.

use strict;
use warnings;

use Carp qw(croak);
use Cpanel::JSON::XS ();
use File::Temp ();
use Time::HiRes qw(time);
use Wflows::Process qw(alive as_user find_tool read_file spawn stop_pid wait_until);

my $json = Cpanel::JSON::XS->new; # Mojolicious has the bytes

sub start {
    my ($class) = @_;
    require Mojo::UserAgent; # of libjson-validator-perl's own needs
    my $self = bless { home => File::Temp->newdir('wflows-browser-XXXXXX', TMPDIR => 1), events => [], last => 0 }, $class;
    my $log = "$self->{home}/log";
    $self->{pid} = spawn(log => $log, cwd => "$self->{home}", env => { HOME => "$self->{home}" }, command => [as_user(undef, 'TERM'), find_tool('chromium'),
        qw(--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-background-networking --disable-component-update
            --disable-sync --disable-extensions --no-proxy-server --remote-debugging-port=0), "--user-data-dir=$self->{home}/profile",
        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', 'about:blank']);
    my $url;
    wait_until(30, sub { ($url) = (-e $log ? read_file($log) : '') =~ m{DevTools listening on (ws://\S+)}; $url })
        or croak "chromium did not start:\n" . read_file($log);
    $self->{agent} = Mojo::UserAgent->new(inactivity_timeout => 60, max_response_size => 0);
    my ($page) = grep { $_->{type} eq 'page' } @{ $self->{agent}->get($url =~ s{^ws(://[^/]+).*}{http$1/json/list}r)->result->json };
    $self->{agent}->websocket($page->{webSocketDebuggerUrl} => sub {
        my ($agent, $tx) = @_;
        croak 'no DevTools' unless $tx->is_websocket;
        $tx->max_websocket_size(64 * 1024 * 1024);
        $tx->on(text => sub { push @{ $self->{events} }, $json->decode($_[1]) });
        $self->{tx} = $tx;
        Mojo::IOLoop->stop;
    });
    Mojo::IOLoop->start;
    $self->ask("$_.enable") for qw(Page Network Log Runtime);
    return $self;
}

# One command; its result.
sub ask {
    my ($self, $method, %params) = @_;
    my $id = ++$self->{last};
    my $got;
    $self->{tx}->send($json->encode({ id => $id, method => $method, params => \%params }));
    $self->turn(30, sub { ($got) = grep { ($_->{id} // 0) == $id } @{ $self->{events} }; $got }) or croak "$method: no answer";
    croak "$method: $got->{error}{message}" if $got->{error};
    return $got->{result};
}

# Takes events until it is so, or the seconds are over.
sub turn {
    my ($self, $seconds, $done) = @_;
    my $end = time + $seconds;
    my $timer = Mojo::IOLoop->recurring(0.05 => sub { Mojo::IOLoop->stop if $done->() || time > $end });
    Mojo::IOLoop->start unless $done->();
    Mojo::IOLoop->remove($timer);
    return $done->();
}

# Opens it, and takes events until the JavaScript `until` is true or half a minute is over.
sub open_page {
    my ($self, $url, $until) = @_;
    $self->{events} = [];
    $self->ask('Page.navigate', url => $url);
    return $self->wait_for($until);
}

sub wait_for {
    my ($self, $until) = @_;
    my $end = time + 30;
    while (time < $end) {
        $self->turn(0.3, sub { 0 });
        return 1 if $self->value($until);
    }
    return 0;
}

# What a JavaScript expression is worth.
sub value {
    my ($self, $expression) = @_;
    return $self->ask('Runtime.evaluate', expression => $expression, returnByValue => Cpanel::JSON::XS::true)->{result}{value};
}

# The addresses that were asked for, data: aside.
sub requests {
    my ($self) = @_;
    return grep { !/^data:/ } map { $_->{params}{request}{url} } $self->_of('Network.requestWillBeSent');
}

# What the page logged or the browser said of it: errors, warnings, refusals by the Content-Security-Policy.
sub complaints {
    my ($self) = @_;
    return (map({ "$_->{params}{entry}{level}: $_->{params}{entry}{text}" } $self->_of('Log.entryAdded')),
        map({ "console.$_->{params}{type}: " . join(' ', map { $_->{value} // $_->{description} // '' } @{ $_->{params}{args} }) }
            grep { $_->{params}{type} =~ /^(?:error|warning|assert)$/ } $self->_of('Runtime.consoleAPICalled')),
        map({ "exception: $_->{params}{exceptionDetails}{text}" } $self->_of('Runtime.exceptionThrown')));
}

sub _of { my ($self, $method) = @_; return grep { ($_->{method} // '') eq $method } @{ $self->{events} } }

sub stop {
    my ($self) = @_;
    return 1 unless $self->{pid};
    my $pid = delete $self->{pid};
    eval { $self->ask('Browser.close') }; # its children end before it does
    return wait_until(10, sub { !alive($pid) }) || stop_pid($pid, 'TERM', 10);
}

sub DESTROY { my ($self) = @_; local ($?, $@); $self->stop }

1;
