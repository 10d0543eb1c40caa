#!/usr/bin/perl
# httpd's own troubles under load: graceful restarts, a child that is killed, a slow client.

use strict;
use warnings;
use lib 't/lib';

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);
use Wflows::Load;
use Wflows::Process qw(alive wait_until);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok metric need start_stack);

need('pg', 'redis', 'httpd');
my $stack = start_stack(httpd => { mpm => { StartServers => 2, ThreadsPerChild => 16, MaxRequestWorkers => 64 } });
my $acme = Wflows::Tenant->add($stack, slug => 'acme', flows => { booking => ['demo/appointment.json', 'demo/appointment.logic.json'] });

sub load { return Wflows::Load->start(tenant => $acme, flow => 'booking', dir => $stack->{dir}, @_) }

sub connections { return $stack->dbh->selectrow_array(q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'wflows_app'}) }

# ---- graceful restarts: 50 with WF_TEST_RESTARTS=50 --------------------------------------------------------------

my $restarts = $ENV{WF_TEST_RESTARTS} // 10;
my $load = load(name => 'graceful');
sleep 1;
my $steps = metric($stack, 'wflows_session_steps_total');
my $connections = connections();
for my $n (1 .. $restarts) {
    my @before = $stack->httpd->children;
    $stack->httpd->graceful;
    wait_until(10, sub { my %old = map { $_ => 1 } @before; grep { !$old{$_} } $stack->httpd->children }) or diag("no new child after restart $n");
    sleep 0.4;
}
sleep 1;
my $r = $load->stop;
is_deeply($r->{wrong}, [], "$restarts graceful restarts: no wrong answer");
is_deeply([$load->lost_steps($r)], [], 'no step is lost');
# A kept connection that httpd closes while a request is on its way is the client's to retry; HTTP says so.
is_deeply([grep { $_ != 200 && $_ != 599 } keys %{ $r->{seen} }], [], 'nothing but 200 is answered');
cmp_ok($r->{seen}{599} // 0, '<=', $restarts * 4, 'and no connection is dropped but kept ones at a restart');
cmp_ok($r->{complete}, '>=', $restarts, "users get to the end ($r->{complete})");
note(join(', ', map { "$_: $r->{seen}{$_}" } sort keys %{ $r->{seen} }));
cmp_ok(metric($stack, 'wflows_session_steps_total'), '>', $steps, 'counters go on over graceful restarts');
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
$r = $load->stop;
is_deeply($r->{wrong}, [], 'kill -9 of a child, three times: no wrong answer');
is_deeply([$load->lost_steps($r)], [], 'no step is lost that was answered with 200');
cmp_ok($r->{complete}, '>=', 4, "users get to the end ($r->{complete})");
note(join(', ', map { "$_: $r->{seen}{$_}" } sort keys %{ $r->{seen} }));
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
