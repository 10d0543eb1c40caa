#!/usr/bin/perl
# PostgreSQL and Redis flushed, stopped, stalled and restarted while users walk a flow at full load (24 kept
# connections): what the client sees is either the right answer or a clean 503, and what was answered with 200 is
# in the database.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use HTTP::Tiny;
use Test::More;
use Time::HiRes qw(sleep time);
use Wflows::Load;
use Wflows::Process qw(wait_until);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok need start_stack);

need('pg', 'redis', 'httpd');
# A child whose threads are all busy closes its idle connections: 24 users must not bring that about.
my $stack = start_stack(
    httpd => { mpm => { ThreadsPerChild => 32, MaxRequestWorkers => 128 } },
    pg => { settings => { fsync => 'on', full_page_writes => 'on' } },
    server_directives => "WflowsDBRetryInterval 500ms\nWflowsDBConnectTimeout 1s\nWflowsDBStatementTimeout 1s\nWflowsRedisRetryInterval 500ms\n");
my $acme = Wflows::Tenant->add($stack, slug => 'acme', flows => { booking => ['demo/appointment.json', 'demo/appointment.logic.json'] });
my $http = HTTP::Tiny->new(timeout => 10);

sub health { my $r = $http->get($stack->httpd->url('/health')); return [$r->{status}, eval { Cpanel::JSON::XS->new->decode($r->{content})->{status} } // ''] }

my $n = 0;
sub under_load {
    my ($what, $break, %o) = @_;
    my $load = Wflows::Load->start(tenant => $acme, flow => 'booking', dir => $stack->{dir}, name => 'f' . ++$n);
    sleep 1;
    $break->();
    sleep 1;
    my $r = $load->stop;
    my $seen = $load->seen_text($r);
    diag("$what: the client saw $seen");
    is_deeply($r->{wrong}, [], "$what: no wrong answer");
    is_deeply([$load->lost_steps($r)], [], "$what: no step is lost that was answered with 200");
    cmp_ok($r->{complete}, '>=', 24, "$what: users get to the end ($r->{complete} walks)");
    is_deeply([grep { $_ ne 200 } keys %{ $r->{seen} }], [], "$what: and every request was answered with 200") if $o{all_200};
    cmp_ok($r->{seen}{503} // 0, '>', 0, "$what: the client was told 503 meanwhile") if $o{some_503};
    is_deeply([grep { !/^\d/ } sort keys %{ $r->{seen} }], [], "$what: every request was answered");
    ok(wait_until(10, sub { my $h = health(); $h->[0] == 200 && $h->[1] eq 'ok' }), "$what: and health is ok again") or diag(explain(health()));
    return $r;
}

is_deeply(health(), [200, 'ok'], 'health is ok');
under_load('undisturbed', sub { sleep 1 }, all_200 => 1);

under_load('redis FLUSHALL', sub { for (1 .. 5) { $stack->redis->client->flushall; sleep 0.2 } }, all_200 => 1);

under_load('Redis stopped', sub {
    $stack->redis->stop;
    sleep 1.5;
    is_deeply(health(), [200, 'degraded'], 'Redis stopped: health says degraded, with 200');
    my $client = $acme->client(flow => 'booking');
    $client->ping for 1 .. 3;
    my $start = time;
    $client->ping for 1 .. 10;
    cmp_ok((time - $start) / 10, '<', 0.1, 'Redis stopped: the breaker keeps the extra latency small');
    $stack->redis->start;
}, all_200 => 1);

under_load('Redis stalled', sub {
    $stack->redis->signal_all('STOP');
    sleep 2;
    $stack->redis->signal_all('CONT');
}, all_200 => 1);

under_load('Redis restarted', sub { $stack->redis->restart for 1 .. 3 }, all_200 => 1);

under_load('PostgreSQL restarted (fast)', sub { $stack->pg->restart for 1 .. 2 });

under_load('PostgreSQL restarted (immediate)', sub { $stack->pg->restart('QUIT') for 1 .. 2 });

under_load('PostgreSQL stopped', sub {
    $stack->pg->stop;
    sleep 2;
    my $start = time;
    my $r = $acme->client(flow => 'booking', token => 'while-down')->init;
    is($r->{status}, 503, 'PostgreSQL stopped: a step that cannot be stored gets 503');
    ok(($r->{headers}{'retry-after'} // '') =~ /^\d+$/, 'with Retry-After');
    cmp_ok(time - $start, '<', 3, 'and soon');
    is(health()->[0], 503, 'health says 503');
    is($http->get($stack->httpd->url('/health/live'))->{status}, 200, 'but live says 200');
    $stack->pg->start;
}, some_503 => 1);
is_deeply($acme->sessions('while-down'), [], 'what got 503 is not in the database');

under_load('PostgreSQL stalled', sub {
    $stack->pg->signal_all('STOP');
    sleep 3;
    my $start = time;
    my $r = $acme->client(flow => 'booking', token => 'while-stalled')->init;
    is($r->{status}, 503, 'PostgreSQL stalled: 503');
    cmp_ok(time - $start, '<', 5, 'never a hang');
    $stack->pg->signal_all('CONT');
}, some_503 => 1);

under_load('both restarted', sub { $stack->pg->restart; $stack->redis->restart });

under_load('connections cut by an operator', sub {
    for (1 .. 5) {
        my $dbh = $stack->pg->dbh('postgres', $stack->secret('pg-superuser'), 'wflows');
        $dbh->do(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'wflows_app'});
        sleep 0.2;
    }
});

# Sessions survive the loss of the whole cache in the middle of a walk.
my $user = $acme->client(flow => 'booking', token => 'tok-survivor');
answers($user->init, 'CHOOSE_SERVICE', 'a walk begins');
$stack->redis->client->flushall;
answers($user->exchange('CHOOSE_SERVICE', { service => 'colour', day => '2030-05-17' }), 'CHOOSE_TIME', 'goes on after FLUSHALL');
$stack->redis->stop;
answers($user->back('CHOOSE_TIME'), 'CHOOSE_SERVICE', 'goes on without Redis, history included');
answers($user->exchange('CHOOSE_SERVICE', { service => 'colour', day => '2030-05-18' }), 'CHOOSE_TIME', 'step by step');
$stack->redis->start;
sleep 1;
answers($user->exchange('CHOOSE_TIME', { time => '0900', name => 'Ada', age => '40' }), 'CONFIRM', 'and with Redis again');
$stack->httpd->restart;
answers($user->exchange('CONFIRM', { reminder => Cpanel::JSON::XS::true }), 'SUCCESS', 'and after a restart of httpd');

errlog_ok($stack, ignore => [qr/\bWF00[5-9]\d\b/, qr/\bWF01[01]\d\b/], expect => ['WF0420']);
done_testing();
