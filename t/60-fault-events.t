#!/usr/bin/perl
# Nothing acknowledged is ever lost: while webhooks come in, a child of httpd, the whole httpd or PostgreSQL is killed
# at a random moment, again and again. Afterwards every event that was answered with 200 is stored once and was
# delivered; more than once only where a kill came between the delivery and its being written down.
#
#   WF_TEST_KILLS=200 WF_TEST_EVENTS=10000 WF_TEST_LEASES=real ./run-tests t/60-fault-events.t       6 and 300 without it
#
# The callbacks that a killed worker had on its way come back when their lease runs out, 20 s later. `real` waits for
# that; otherwise the test, as the owner of the database, lets the leases of dead workers run out at once.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes qw(sleep time);
use Wflows::Process qw(alive wait_until);
use Wflows::Receiver;
use Wflows::Sender;
use Wflows::Tenant;
use Wflows::Test qw(errlog_ok metric need start_stack);

need('pg', 'redis', 'httpd');
my $kills = $ENV{WF_TEST_KILLS} // 6;
my $events = $ENV{WF_TEST_EVENTS} // 300;
my $real_leases = ($ENV{WF_TEST_LEASES} // '') eq 'real';

my $stack = start_stack(
    httpd => { mpm => { StartServers => 2, ThreadsPerChild => 16, MaxRequestWorkers => 64 } },
    pg => { settings => { fsync => 'on', full_page_writes => 'on' } },
    server_directives => "WflowsFlowCallbackAllow 127.0.0.1/32\nWflowsDBRetryInterval 500ms\nWflowsDBConnectTimeout 1s\n");
my $receiver = Wflows::Receiver->start(dir => $stack->{dir});
my $acme = Wflows::Tenant->add($stack, slug => 'acme', accounts => [{ name => 'main', no_key => 1,
    options => ['--callback-url', $receiver->url('/ok'), '--callback-events', '*'] }]);
my $secret = 'whsec_a2lsbC10ZXN0LWtpbGwtdGVzdC1raWxs';
$stack->{known_secrets}{'the callback secret'} = $secret;
$stack->ctl('account', 'set', 'main', '--company', 'acme', { 'callback-secret' => $secret });

# ---- killing -----------------------------------------------------------------------------------------------

my %kill = (
    'a child of httpd' => sub {
        my @children = $stack->httpd->children;
        my $child = $children[rand @children];
        kill 'KILL', $child;
        wait_until(10, sub { !alive($child) }) or die "child $child lives on\n";
    },
    'the whole httpd' => sub {
        $stack->httpd->kill_all or die "httpd lives on\n";
        $stack->httpd->start;
    },
    # -m immediate
    'PostgreSQL' => sub { $stack->pg->restart('QUIT') },
);
my @kinds = sort keys %kill;
my %killed;

# Waits until webhooks are taken again, so that each kill hits a system at work.
sub works_again {
    my ($sender) = @_;
    my $before = $sender->progress;
    return wait_until(30, sub { $sender->progress > $before });
}

my $begin = time;
my $sender = Wflows::Sender->start(tenant => $acme, dir => $stack->{dir});
my $stuck = 0;
for my $n (0 .. $kills - 1) {
    $stuck++ unless works_again($sender);
    sleep rand(0.8);
    my $kind = $kinds[$n % @kinds];
    $kill{$kind}->();
    $killed{$kind}++;
}
is($stuck, 0, 'after each kill webhooks are taken again within 30 s');
my $per_second = keys(%{ $sender->taken }) / (time - $begin);
wait_until(60 + $events / ($per_second || 1), sub { sleep 0.5; keys %{ $sender->taken } >= $events });
my $sent = $sender->stop;
my @taken = sort keys %{ $sent->{taken} };
is_deeply($sent->{troubles}, [], 'nothing but 200, 503 and no answer came');
cmp_ok(scalar @taken, '>=', $events, "at least $events events were answered with 200");
cmp_ok($sent->{seen}{200}, '>', 0, 'the sender was told 200');

# ---- what is there afterwards --------------------------------------------------------------------------------

# Those of a worker whose process is gone.
sub end_dead_leases {
    my $dbh = $stack->dbh;
    my $owners = $dbh->selectcol_arrayref(q{SELECT DISTINCT lease_owner FROM wflows.outbox WHERE status = 'leased'});
    for my $owner (@$owners) {
        my ($pid) = $owner =~ /^[^:]*:(\d+):/ or die "the lease '$owner' does not say whose it is\n";
        $dbh->do(q{UPDATE wflows.outbox SET lease_until = now() WHERE status = 'leased' AND lease_owner = ?}, undef, $owner)
            unless alive($pid);
    }
}

sub waiting { return $stack->dbh->selectrow_array(q{SELECT count(*) FROM wflows.outbox WHERE consumer = 'callback' AND status NOT IN ('done', 'dead')}) }

my $all_done = wait_until($real_leases ? 180 : 60, sub {
    end_dead_leases() unless $real_leases;
    return 1 if waiting() == 0;
    sleep 0.3;
    return 0;
});
ok($all_done, 'no callback waits any more') or diag(explain($stack->dbh->selectall_arrayref(q{
    SELECT status, due, attempts, last_error, count(*), min(next_attempt_at - now()), max(lease_until - now()) FROM wflows.outbox WHERE status <> 'done' GROUP BY 1, 2, 3, 4})));

my $rows = $stack->dbh->selectall_arrayref(q{
    SELECT e.dedup_key, o.id AS callback, o.status, o.payload::text AS payload
    FROM wflows.webhook_events e LEFT JOIN wflows.outbox o
        ON o.company_id = e.company_id AND o.consumer = 'callback' AND o.idempotency_key = e.dedup_key}, { Slice => {} });
my %stored;
push @{ $stored{ $_->{dedup_key} } }, $_ for @$rows;
my (%delivered, @foreign);
my %key_of = map { ('msg_' . ($_->{callback} // '') => $_->{dedup_key}) } @$rows;
for my $got ($receiver->got) {
    my $key = $key_of{ $got->{id} };
    my ($signature) = Wflows::Receiver::signatures_of($got, $secret);
    # What arrived is signed, belongs to a stored event, and is the callback of that event and no other.
    if (defined $signature && defined $key && $key =~ /:\Q$got->{data}{message_id}\E(?::|\z)/) { $delivered{$key}++ }
    else { push @foreign, $got->{id} }
}
my @lost = grep { !$stored{$_} } @taken;
my @twice = grep { @{ $stored{$_} // [] } > 1 } @taken;
my @undelivered = grep { !$delivered{$_} } @taken;
my @repeated = grep { $_ > 1 } values %delivered;

is_deeply(\@lost, [], 'every event that was answered with 200 is stored');
is_deeply(\@twice, [], 'once');
is_deeply(\@undelivered, [], 'and was delivered');
is_deeply([grep { $_->{status} ne 'done' } @$rows], [], 'which is written down');
is_deeply(\@foreign, [], 'and nothing else was delivered');
cmp_ok(scalar(grep { $sent->{taken}{$_} > 1 } @taken), '>', 0, 'some were posted more than once');
diag(sprintf('%d kills (%s) in %.0f s; posts by answer: %s', $kills, join(', ', map { "$_: $killed{$_}" } sort keys %killed), time - $begin,
    join(', ', map { "$_: $sent->{seen}{$_}" } sort keys %{ $sent->{seen} })));
diag(sprintf('%d events answered with 200, %d of them several times; %d stored, %d delivered, %d of them more than once; lost: %d',
    scalar @taken, scalar(grep { $_ > 1 } values %{ $sent->{taken} }), scalar keys %stored, scalar keys %delivered, scalar @repeated, scalar(grep { !$stored{$_} || !$delivered{$_} } @taken)));
cmp_ok(metric($stack, 'wflows_webhook_posts_total'), '>', 0, 'and webhooks are still counted');

errlog_ok($stack, ignore => [qr/\bWF00[5-9]\d\b/, qr/\bWF01[01]\d\b/, qr/\bWF04[4-7]\d\b/, qr/exit signal Killed/]);
$receiver->stop;
done_testing();
