#!/usr/bin/perl
# httpd's own troubles at full load (24 kept connections): graceful restarts, a child that is killed, a slow client.
#
#   WF_TEST_RESTARTS=50 ./run-tests t/60-fault-httpd.t      50 graceful restarts; 10 without it
#
# A graceful restart closes connections that are kept open and idle. A request that is on its way just then gets no
# answer: httpd never reads it, and HTTP leaves it to the client to send it again (RFC 9112, 9.3.1). A static
# file has it too. What must not be: a request that httpd did read and that stays without an answer.

use strict;
use warnings;
use lib 't/lib';

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);
use Wflows::Load;
use Wflows::Process qw(alive read_file wait_until);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok metric need start_stack);

need('pg', 'redis', 'httpd');
my $stack = start_stack(httpd => {
    mpm => { StartServers => 2, ThreadsPerChild => 32, MaxRequestWorkers => 128 },
    main => qq{LogFormat "%>s %{X-Request-Id}i" tries\nCustomLog tries.log tries\n},
});
my $acme = Wflows::Tenant->add($stack, slug => 'acme', flows => { booking => ['demo/appointment.json', 'demo/appointment.logic.json'] });

sub load { return Wflows::Load->start(tenant => $acme, flow => 'booking', dir => $stack->{dir}, @_) }

# What must hold whatever happens; `allowed`: what else than 200 the client may see.
sub check_load {
    my ($load, $what, %o) = @_;
    my $r = $load->stop;
    diag("$what: the client saw " . $load->seen_text($r));
    is_deeply($r->{wrong}, [], "$what: no wrong answer");
    is_deeply([$load->lost_steps($r)], [], "$what: no step is lost that was answered with 200");
    my %allowed = map { $_ => 1 } 200, @{ $o{allowed} // [] };
    is_deeply([grep { !$allowed{$_} } sort keys %{ $r->{seen} }], [], "$what: nothing but " . join(' and ', sort keys %allowed));
    cmp_ok($r->{complete}, '>=', 24, "$what: users get to the end ($r->{complete})");
    return $r;
}

# Of these requests those that httpd read: it logs each, answered or not.
sub read_by_httpd {
    my %logged = map { (split)[1] => 1 } split(/\n/, read_file($stack->httpd->{dir} . '/tries.log'));
    return grep { $logged{$_} } @_;
}

sub connections { return $stack->dbh->selectrow_array(q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'wflows_app'}) }

# ---- graceful restarts -------------------------------------------------------------------------------------------

my $restarts = $ENV{WF_TEST_RESTARTS} // 10;
my $connections = connections();
my ($exchanges, $steps) = map { metric($stack, $_) } qw(wflows_exchanges_total wflows_session_steps_total);
my $load = load(name => 'graceful');
sleep 1;
for my $n (1 .. $restarts) {
    my @before = $stack->httpd->children;
    $stack->httpd->graceful;
    wait_until(10, sub { my %old = map { $_ => 1 } @before; grep { !$old{$_} } $stack->httpd->children }) or diag("no new child after restart $n");
    sleep 0.4;
}
sleep 1;
my $r = check_load($load, "$restarts graceful restarts", allowed => ['closed']);
is_deeply([read_by_httpd(keys %{ $r->{unanswered} })], [], 'what httpd has read it answers: connections are closed before a request, never after');
is(metric($stack, 'wflows_exchanges_total') - $exchanges, $r->{seen}{200}, 'as many exchanges as answers: counters go on over graceful restarts');
cmp_ok(metric($stack, 'wflows_session_steps_total') - $steps, '>=', $r->{seen}{200}, 'those of steps, too');
ok(wait_until(20, sub { connections() <= $connections + 8 }), 'the old children\'s connections are gone')
    or diag(connections() . " connections now, $connections before");

# ---- a child is killed ------------------------------------------------------------------------------------------

$load = load(name => 'killed');
sleep 1;
for (1 .. 3) {
    my ($child) = $stack->httpd->children;
    kill 'KILL', $child;
    wait_until(10, sub { !alive($child) && $stack->httpd->children >= 2 });
    sleep 1;
}
check_load($load, 'kill -9 of a child, three times', allowed => ['closed']);
my $user = $acme->client(flow => 'booking', token => 'after-kill');
answers($user->init, 'CHOOSE_SERVICE', 'and new users are served');

# ---- slow clients hold no connection of a pool -------------------------------------------------------------------

my @slow = map {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $stack->httpd->{port}) or die "connect: $!";
    print {$s} "POST /company/acme/flows/endpoint/booking HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\nX-Hub-Signature-256: sha256=" . '0' x 64 . "\r\n\r\n{";
    $s->flush;
    $s;
} 1 .. 24;
sleep 0.3;
my $start = time;
answers($acme->client(flow => 'booking', token => "past-slow-$_")->init, 'CHOOSE_SERVICE', 'a user is served while others send slowly') for 1 .. 3;
cmp_ok(time - $start, '<', 2, 'without waiting for them');
close($_) for @slow;

errlog_ok($stack, ignore => ['WF0420', 'WF0052', qr/\bWF006\d\b/]);
done_testing();
