#!/usr/bin/perl
# POST /webhooks/stripe from end to end: who may send, what is stored, and what a company's plan and status are
# afterwards, whatever order the events came in. The signature is computed here, by Stripe's documentation.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Digest::SHA qw(hmac_sha256_hex);
use HTTP::Tiny;
use Test::More;
use Wflows::Flows qw(linear_flow);
use Wflows::Tenant;
use Wflows::Test qw(errlog_ok metric need start_stack);

need('pg', 'redis', 'httpd');

my ($secret, $next_secret) = ('whsec_the_one_in_use_now', 'whsec_the_one_that_follows');
my $stack = start_stack(httpd => { env => { WF_STRIPE_1 => $secret, WF_STRIPE_2 => $next_secret }, main => <<'CONF' });
WflowsFlowStripeSecret env:WF_STRIPE_1
WflowsFlowStripeSecret env:WF_STRIPE_2
WflowsFlowBillingGrace 1h
CONF
$stack->{known_secrets} = { 'Stripe, first' => $secret, 'Stripe, second' => $next_secret };
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $http = HTTP::Tiny->new(timeout => 20);
my $dbh = $stack->dbh;
my $start = time;
my $serial = 0;

# The rows of all companies: row level security is forced on the owner too.
sub rows {
    my ($sql, @values) = @_;
    $dbh->begin_work;
    $dbh->do('SET LOCAL ROLE wflows_platform');
    my $rows = $dbh->selectall_arrayref($sql, { Slice => {} }, @values);
    $dbh->commit;
    return @$rows;
}

sub signature {
    my ($body, %o) = @_;
    my $t = $o{t} // time;
    return "t=$t," . join(',', map { 'v1=' . hmac_sha256_hex("$t.$body", $_) } @{ $o{secrets} // [$secret] });
}

sub post {
    my ($body, %o) = @_;
    my $header = exists $o{header} ? $o{header} : signature($body, %o);
    return $http->post($stack->httpd->url('/webhooks/stripe'),
        { content => $body, headers => { 'content-type' => 'application/json', defined $header ? ('stripe-signature' => $header) : () } });
}

sub event {
    my ($type, $object, $at) = @_;
    return { id => 'evt_' . ++$serial, object => 'event', type => $type, created => $at // $start, data => { object => $object } };
}

sub subscription {
    my ($what, $at, $id, $customer, $status, $plan, %more) = @_;
    return event("customer.subscription.$what", { id => $id, object => 'subscription', customer => $customer, status => $status,
        current_period_end => $at + 2_592_000, items => { data => [{ price => { lookup_key => $plan } }] }, %more }, $at);
}

sub invoice {
    my ($what, $at, $subscription, $customer) = @_;
    return event("invoice.$what", { id => "in_$serial", object => 'invoice', customer => $customer,
        parent => { subscription_details => { subscription => $subscription } } }, $at);
}

sub send_all { return join(',', map { post($json->encode($_))->{status} } @_) }

sub company {
    my ($slug) = @_;
    my $c = $stack->ctl('company', 'show', $slug);
    return join(' ', map { $c->{$_} // '-' } qw(subscription_plan status suspension_reason max_flows));
}

my $flow = { f => [linear_flow(['ONE', 'TWO'])] };
my $acme = Wflows::Tenant->add($stack, slug => 'acme', plan => 'starter', flows => $flow, options => ['--max-flows', 7]);
my $client = $acme->client(flow => 'f', token => 'tok');

# ---- who may send -------------------------------------------------------------------------------------------------

my $body = $json->encode(event('charge.refunded', { id => 'ch_1' }));
my %refused = (
    'no signature' => [401, $body, header => undef],
    'a wrong secret' => [401, $body, secrets => ['whsec_wrong']],
    'another body' => [401, "$body ", header => signature($body)],
    'a signature of ten minutes ago' => [401, $body, t => time - 600],
    'a signature of in ten minutes' => [401, $body, t => time + 600],
    'only a v0 signature' => [401, $body, header => signature($body) =~ s/v1=/v0=/r],
    'no JSON' => [400, '{"id":'],
    'no event' => [400, '[]'],
    'an event without id' => [400, '{"type":"x","created":1,"data":{"object":{}}}'],
    'four megabytes' => [413, ' ' x (4 << 20)],
);
for my $what (sort keys %refused) {
    my ($status, $text, %o) = @{ $refused{$what} };
    is(post($text, %o)->{status}, $status, "$what: $status");
}
is(scalar(rows('SELECT 1 FROM wflows.billing_events')), 0, 'and nothing is stored');
is($http->get($stack->httpd->url('/webhooks/stripe'))->{status}, 405, 'GET: 405');
my $r = post($body, secrets => ['whsec_wrong', $next_secret]);
is("$r->{status} $r->{content}", '200 {"received":true}', 'either secret, and one of several signatures, is enough');
is(send_all($json->decode($body)) . ' ' . scalar(rows('SELECT 1 FROM wflows.billing_events')), '200 1', 'again: 200, and stored once');
is_deeply([rows('SELECT company_id, kind, payload::text AS p FROM wflows.billing_events')],
    [{ company_id => '00000000-0000-0000-0000-000000000000', kind => 'other', p => $body }], 'an unknown type is kept whole, for nobody');

# ---- a company buys -------------------------------------------------------------------------------------------------

is($client->init->{status}, 200, 'the flow answers');
# An invoice that comes before anything says whose it is.
is(send_all(invoice('paid', $start, 'sub_acme', 'cus_acme')), '200', 'a payment of an unknown subscription is taken');
is(company('acme'), 'starter active - 7', 'without effect');
is(send_all(event('checkout.session.completed', { id => 'cs_1', customer => 'cus_acme', subscription => 'sub_acme', payment_status => 'paid',
    client_reference_id => 'acme' }, $start)), '200', 'the checkout names the company');
is(scalar(rows('SELECT 1 FROM wflows.billing_events WHERE company_id = ?', $acme->{id})), 2, 'the payment is the company\'s now');
is(send_all(subscription('created', $start, 'sub_acme', 'cus_acme', 'active', 'pro_monthly')), '200', 'the subscription names the plan');
is(company('acme'), 'pro active - -', 'the company has the plan, with its limits');
$stack->ctl('company', 'set', 'acme', '--max-flows', 55);
is(send_all(subscription('updated', $start + 1, 'sub_acme', 'cus_acme', 'active', 'pro_monthly')), '200', 'the same plan again');
is(company('acme'), 'pro active - 55', 'leaves what an operator set');
is(send_all(subscription('updated', $start + 2, 'sub_acme', 'cus_acme', 'active', 'no-such-plan')), '200', 'an unknown plan is acknowledged');
is(company('acme'), 'pro active - 55', 'and changes nothing');

# ---- it does not pay, and pays ---------------------------------------------------------------------------------------

is(send_all(invoice('payment_failed', $start + 10, 'sub_acme', 'cus_acme')), '200', 'a payment fails');
is(company('acme'), 'pro active - 55', 'within the grace nothing happens');
is((rows('SELECT status FROM wflows.billing_subscriptions WHERE company_id = ?', $acme->{id}))[0]{status}, 'past_due', 'but that it is known');
is(send_all(invoice('paid', $start + 20, 'sub_acme', 'cus_acme')), '200', 'it is paid');
is($client->init->{status}, 200, 'the flow answers, and is cached');
my $bolt = Wflows::Tenant->add($stack, slug => 'bolt', plan => 'starter', flows => $flow);
my $on_bolt = $bolt->client(flow => 'f', token => 'tok');
my $old = $start - 7200;
my %of_bolt = (metadata => { company_id => $bolt->{id}, plan => 'pro' });
is(send_all(subscription('created', $old, 'sub_bolt', 'cus_bolt', 'active', undef, %of_bolt)), '200', 'a second company');
is($on_bolt->init->{status}, 200, 'is served');
is(send_all(invoice('payment_failed', $old + 60, 'sub_bolt', 'cus_bolt')), '200', 'until a payment is overdue for longer than the grace');
is(company('bolt'), 'pro suspended payment -', 'then it is suspended at once');
is($on_bolt->init->{status}, 403, 'and its endpoint refuses, cached or not');
is(send_all(invoice('paid', $old + 30, 'sub_bolt', 'cus_bolt')), '200', 'an older payment');
is($on_bolt->init->{status}, 403, 'changes nothing');
is(send_all(invoice('paid', $start, 'sub_bolt', 'cus_bolt')), '200', 'it pays');
is($on_bolt->init->{status}, 200, 'and is served at once');
is(company('bolt'), 'pro active - -', 'active again');
$stack->ctl('company', 'suspend', 'bolt', '--reason', 'abuse');
is(send_all(invoice('paid', $start + 5, 'sub_bolt', 'cus_bolt')), '200', 'a payment of a company that the operator suspended');
is(company('bolt'), 'pro suspended abuse -', 'does not free it');
$stack->ctl('company', 'activate', 'bolt');
is(send_all(subscription('deleted', $start + 6, 'sub_bolt', 'cus_bolt', 'canceled', undef, %of_bolt)), '200', 'the subscription ends');
is(company('bolt'), 'starter active - -', 'all paid: starter, and active');
is($on_bolt->init->{status}, 200, 'and served');

my @audit = rows(q{SELECT action, new_values->>'status' AS status, new_values->>'subscription_plan' AS plan FROM wflows.audit_logs
    WHERE company_id = ? AND actor = 'stripe' AND resource_type = 'company' ORDER BY created_at, id}, $bolt->{id});
is(join(' ', map { join('/', $_->{action}, $_->{status} // '-', $_->{plan} // '-') } @audit),
    'company.updated/-/pro company.suspended/suspended/- company.activated/active/- company.updated/-/starter', 'the audit log tells it all');
is(scalar(rows(q{SELECT 1 FROM wflows.outbox WHERE consumer = 'cache' AND status <> 'done'})), 0, 'all cached copies are deleted');

# ---- a trial ends with the first payment -----------------------------------------------------------------------------------

my $trial = Wflows::Tenant->add($stack, slug => 'trial', plan => 'starter', flows => $flow);
$stack->ctl('company', 'suspend', 'trial', '--reason', 'trial_over');
$stack->dbh->do(q{UPDATE wflows.companies SET trial_ends_at = now() - interval '1 day' WHERE id = ?}, undef, $trial->{id});
my %of_trial = (metadata => { company_id => $trial->{id}, plan => 'pro' });
is(send_all(subscription('created', $old, 'sub_trial', 'cus_trial', 'incomplete', undef, %of_trial)), '200', 'a subscription that is not paid');
is(company('trial'), 'starter suspended trial_over -', 'ends no trial');
is(send_all(subscription('updated', $old + 1, 'sub_trial', 'cus_trial', 'active', undef, %of_trial)), '200', 'one that is');
is(company('trial'), 'pro active - -', 'lets a company in again whose trial was over');
is($stack->ctl('company', 'show', 'trial')->{trial_ends_at}, undef, 'and it is on trial no more');

# ---- order, repetition ---------------------------------------------------------------------------------------------------

# What one customer of Stripe's may go through, as [what, seconds, …]; the company is named by one event only.
sub history {
    my ($slug) = @_;
    my ($sub, $cus) = ("sub_$slug", "cus_$slug");
    return (
        event('checkout.session.completed', { id => "cs_$slug", customer => $cus, subscription => $sub, payment_status => 'paid',
            metadata => { company_slug => $slug } }, $old + 1),
        subscription('created', $old, $sub, $cus, 'incomplete', 'pro_monthly'),
        subscription('updated', $old + 2, $sub, $cus, 'active', 'pro_monthly'),
        invoice('paid', $old + 2, $sub, $cus),
        invoice('payment_failed', $old + 100, $sub, $cus),
        subscription('updated', $old + 100, $sub, $cus, 'past_due', 'enterprise-yearly'),
        invoice('payment_failed', $old + 200, $sub, $cus),
    );
}

srand($ENV{WF_TEST_SEED} // 20261122);
my (%state, %billing);
for my $round (1 .. 12) {
    my $slug = "order-$round";
    my $made = $stack->ctl('company', 'add', $slug, '--name', 'X', '--max-flows', 3);
    my @events = history($slug);
    my @order = $round == 1 ? @events : $round == 2 ? reverse @events : sort { rand() <=> 0.5 } map { rand() < 0.3 ? ($_, $_) : $_ } @events;
    my %answers = map { $_ => 1 } split(/,/, send_all(@order));
    is(join(' ', keys %answers), '200', "order $round: all are taken");
    my ($b) = rows('SELECT plan, status, stripe_subscription_id, extract(epoch FROM past_due_since)::bigint - ? AS since,
        extract(epoch FROM last_event_at)::bigint - ? AS last FROM wflows.billing_subscriptions WHERE company_id = ?', $old, $old, $made->{id});
    $b->{stripe_subscription_id} =~ s/\Q$slug\E//;
    push @{ $state{ company($slug) } }, $slug;
    push @{ $billing{ $json->encode($b) } }, $slug;
}
is_deeply([keys %state], ['enterprise suspended payment -'], 'every order of the same events gives the same company') or diag(explain(\%state));
is_deeply([keys %billing], ['{"last":200,"plan":"enterprise","since":100,"status":"past_due","stripe_subscription_id":"sub_"}'],
    'and the same account of it') or diag(explain(\%billing));

# Two at once, of which one links the other: neither may be lost.
{
    my $made = $stack->ctl('company', 'add', 'at-once', '--name', 'X');
    my @events = history('at-once');
    my @pids = map { my $e = $_; my $pid = fork // die; if (!$pid) { my $s = send_all($e); require POSIX; POSIX::_exit($s eq '200' ? 0 : 1) } $pid } @events;
    my $failed = 0;
    for my $pid (@pids) { waitpid($pid, 0); $failed ||= $? }
    is($failed, 0, 'events that come at the same time are all taken');
    is(company('at-once'), 'enterprise suspended payment -', 'and end in the same');
}

# ---- the database is away ------------------------------------------------------------------------------------------------

$stack->pg->stop('QUIT');
is(post($json->encode(event('invoice.paid', { id => 'in_x' })))->{status}, 503, 'not stored: 503, so that Stripe sends it again');

is(metric($stack, 'wflows_billing_events_total', 'result="duplicate"') > 0, 1, 'duplicates are counted');
is(metric($stack, 'wflows_billing_events_total', 'result="refused"'), 9, 'and refusals');
cmp_ok(metric($stack, 'wflows_billing_events_total', 'result="applied"'), '>', 5, 'and changes');

errlog_ok($stack, expect => ['WF0494'], ignore => [qr/WF0\d\d\d: .*(?:PostgreSQL|connection|terminating|server closed)/i]);
done_testing();
