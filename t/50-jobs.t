#!/usr/bin/perl
# Background jobs in a real httpd: nobody calls them, and what they have to do gets done.
# A job is held up by taking its lock, so that what was before it can be seen however slow the machine is.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Cpanel::JSON::XS ();
use Digest::SHA qw(hmac_sha256_hex);
use HTTP::Tiny;
use Test::More;
use Wflows::Flows qw(linear_flow);
use Wflows::Process qw(wait_until);
use Wflows::Receiver;
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok metric need refused start_stack);

need(qw(pg redis httpd));
my $stripe = 'whsec_of_the_jobs_test';
my $stack = start_stack(server_directives => "WflowsFlowCallbackAllow 127.0.0.1/32\n",
    httpd => { env => { WF_STRIPE => $stripe }, main => "WflowsFlowStripeSecret env:WF_STRIPE\nWflowsFlowBillingGrace 2s\n" });
$stack->{known_secrets} = { 'Stripe' => $stripe };
my $receiver = Wflows::Receiver->start(dir => $stack->{dir});
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $dbh = $stack->dbh;
$dbh->do('SET ROLE wflows_platform');
$dbh->do(q{SET lock_timeout = '120s'});

sub ask { my ($sql, @values) = @_; return scalar $dbh->selectrow_array($sql, undef, @values) }

# Ends when a run that is under way has ended; none begins before `release`.
sub hold { my ($job) = @_; $dbh->do('select pg_advisory_lock(1313114677, hashtext(?))', undef, $job); return }

# Makes the job due and lets go of it.
sub release {
    my ($job) = @_;
    $dbh->do('insert into wflows.job_runs (name) values (?) on conflict (name) do update set next_at = now()', undef, $job);
    $dbh->do('select pg_advisory_unlock(1313114677, hashtext(?))', undef, $job);
    return;
}

sub becomes {
    my ($what, $wanted, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $got;
    ok(wait_until(60, sub { $got = $what->(); defined $got && $got eq $wanted }), $name) or diag('it is ' . ($got // 'undef'));
    return;
}

my $flow = [linear_flow(['FIRST', 'SECOND', 'THIRD'])];
my $acme = Wflows::Tenant->add($stack, slug => 'acme', flows => { plain => $flow },
    accounts => [{ name => 'main', options => ['--callback-url', $receiver->url('/ok'), '--callback-events', 'flow_completed,account.*'] }]);
$stack->ctl('account', 'set', 'main', '--company', 'acme', { 'callback-secret' => 'whsec_' . 'c2VjcmV0LW9mLXRoaXMtdGVzdC1vbmU=' });

# ---- they run -----------------------------------------------------------------------------------------------

becomes(sub { ask(q{select count(*) from wflows.job_runs where outcome = 'ok'}) }, 12, 'every job has run by itself');
is(ask(q{select count(*) from wflows.job_runs where outcome = 'failed'}), 0, 'none has failed');

# ---- sessions -----------------------------------------------------------------------------------------------

my ($late, $early) = map { $acme->client(flow => 'plain', token => "tok-$_") } qw(late early);
hold('sessions');
answers($_->init, 'FIRST', 'a session') for $late, $early;
$dbh->do(q{update wflows.flow_sessions set expires_at = now() - interval '1 second', expiry_slot = extract(epoch from now())::bigint / 3600
    where token_hash = sha256('tok-late')});
is($acme->sessions('tok-late')->[0]{status}, 'active', 'one whose time is over');
release('sessions');
becomes(sub { $acme->sessions('tok-late')->[0]{status} }, 'expired', 'is expired');
is($acme->sessions('tok-early')->[0]{status}, 'active', 'the other one is not');

# ---- caches -------------------------------------------------------------------------------------------------

hold('cache');
is_deeply($late->ping->{answer}, { data => { status => 'active' } }, 'a company that the cache knows');
my $r = $stack->ctl_raw(['company', 'suspend', 'acme', '--redis', 'redis://127.0.0.1:1']);
is($r->{rc}, 0, 'is suspended by somebody who cannot reach Redis') or diag("$r->{out}$r->{err}");
is_deeply($late->ping->{answer}, { data => { status => 'active' } }, 'and is served from the cache still');
$dbh->do(q{update wflows.outbox set next_attempt_at = now() where consumer = 'cache' and status = 'pending'});
release('cache');
becomes(sub { $late->ping->{status} }, 403, 'until the job has deleted what was cached');
is(ask(q{select count(*) from wflows.outbox where consumer = 'cache' and status <> 'done'}), 0, 'the row is done');
$stack->ctl('company', 'activate', 'acme');

# ---- billing ------------------------------------------------------------------------------------------------

my $debtor = Wflows::Tenant->add($stack, slug => 'debtor', flows => { plain => $flow });
my $client = $debtor->client(flow => 'plain', token => 'tok-debtor');
sub stripe {
    my ($type, %object) = @_;
    my $now = time;
    my $body = $json->encode({ id => "evt_$type", object => 'event', type => $type, created => $now, data => { object => \%object } });
    return HTTP::Tiny->new(timeout => 20)->post($stack->httpd->url('/webhooks/stripe'), { content => $body, headers => {
        'content-type' => 'application/json', 'stripe-signature' => "t=$now,v1=" . hmac_sha256_hex("$now.$body", $stripe) } })->{status};
}
hold('billing');
is(stripe('customer.subscription.created', id => 'sub_d', object => 'subscription', customer => 'cus_d', status => 'active',
    items => { data => [{ price => { lookup_key => 'pro' } }] }, metadata => { company_slug => 'debtor' }), 200, 'a subscription');
is(stripe('invoice.payment_failed', id => 'in_d', object => 'invoice', customer => 'cus_d',
    parent => { subscription_details => { subscription => 'sub_d' } }), 200, 'whose payment fails');
my $state = sub { ask(q{select status || coalesce(' ' || suspension_reason, '') from wflows.companies where slug = 'debtor'}) };
ok(wait_until(30, sub { ask(q{select now() - past_due_since > interval '2 seconds' from wflows.billing_subscriptions where company_id = ?}, $debtor->{id}) }),
    'and stays unpaid for longer than the grace');
is($state->(), 'active', 'nobody has looked yet');
is_deeply($client->ping->{answer}, { data => { status => 'active' } }, 'so it is served');
release('billing');
becomes($state, 'suspended payment', 'the job suspends it');
becomes(sub { $client->ping->{status} }, 403, 'and it is not served any more');
is(ask(q{select actor from wflows.audit_logs where action = 'company.suspended' and company_id = ?}, $debtor->{id}), 'job:billing', 'with an audit row');

# ---- key rotation -------------------------------------------------------------------------------------------

hold('key_rotation');
$dbh->do(q{update wflows.whatsapp_accounts set key_rotation_scheduled_at = now() - interval '1 hour'});
release('key_rotation');
ok(wait_until(60, sub { (() = $receiver->got('/ok')) == 1 }), 'a key that was to be changed is told to who asked for account.*');
my ($told) = $receiver->got('/ok');
is($told->{data}{event_type}, 'account.key_rotation_due', 'as a callback');
is_deeply([$told->{data}{company_id}, $told->{data}{account_id}, $told->{data}{data}{account_id}],
    [$acme->{id}, ($acme->{accounts}{main}{id}) x 2], 'of that account');
is(ask(q{select count(*) from wflows.webhook_events where event_type = 'account.key_rotation_due'}), 2, 'the other company has the event only');
is(ask(q{select count(*) from wflows.outbox where consumer = 'callback'}), 1, 'and no callback');

# ---- figures, log -------------------------------------------------------------------------------------------

cmp_ok(metric($stack, 'wflows_job_rows_total', 'job="sessions"'), '>=', 1, 'what jobs did is counted');
errlog_ok($stack);
$stack->httpd->stop;
hold($_) for qw(cache sessions billing key_rotation);
pass('a stopped server holds no job');
$receiver->stop;
done_testing;
