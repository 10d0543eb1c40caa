#!/usr/bin/perl
# Every webhook of the corpus, posted twice: taken, stored once, with a sensible type. The corpus' signatures.
# The same events in another order, and again: the same final state.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use List::Util qw(shuffle);
use MIME::Base64 qw(decode_base64);
use Test::More;
use Wflows::Flows qw(linear_flow);
use Wflows::Tenant;
use Wflows::Test qw(answers corpus_docs errlog_ok need start_stack);
use Wflows::Webhook;

need('pg', 'redis', 'httpd', 'corpus');
# Nobody is called: what is looked at is what would be sent.
my $stack = start_stack(server_directives => "WflowsFlowOutboxWorkers 0\n");
my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;
my %made = (accounts => [{ name => 'main', options => ['--callback-url', 'https://callback.invalid/hook', '--callback-events', '*'] }]);

# ---- the corpus --------------------------------------------------------------------------------------------------

# What the label of a file (before "__") promises of the types of its events.
sub expected {
    my ($label) = @_;
    return qr/^flow_completed$/ if $label =~ /^(?:nofield\.)?msg-interactive\.nfm_reply$/;
    return qr/^message\.(?:location|unknown)$/ if $label eq 'msg-None';
    return qr/^message\.(?:audio|voice)$/ if $label eq 'msg-voice';
    return qr/^message\./ if $label =~ /^(?:nofield\.)?msg-(?:edit|unknown|unsupported)$/;
    return qr/^message\.(?:\Q$1\E)/ if $label =~ /^(?:nofield\.)?msg-([a-z]+(?:\.[a-z_]+)?)$/;
    return qr/^message\./ if $label =~ /^msg-/;
    return qr/^status\./ if $label =~ /^status-/;
    return qr/^(?:message\.|user_preferences$)/ if $label =~ /^batch/;
    return qr/^messages/ if $label eq 'messages-other';
    return qr/^unknown$/ if $label eq 'nofield';
    return qr/^\Q$1\E(?:\.|$)/ if $label =~ /^([a-z_]+)/;
    return qr/./;
}

my $corp = Wflows::Tenant->add($stack, slug => 'corp', %made);
my $hook = Wflows::Webhook->new(tenant => $corp);
my @docs = corpus_docs('webhooks');
cmp_ok(scalar @docs, '>', 100, scalar(@docs) . ' webhooks');
my (%types, @refused, @twice, @none, @strange);
for my $doc (@docs) {
    my ($name, undef, $text) = @$doc;
    my ($label) = $name =~ /^(.*?)__/;
    my $first = $hook->post($text);
    my @events = @{ $hook->events };
    my $again = $hook->post($text);
    push @refused, "$name: $first->{status}, $again->{status}" if $first->{status} != 200 || $again->{status} != 200;
    push @none, $name unless @events;
    push @twice, $name if @events != @{ $hook->events };
    for my $event (@events) {
        $types{ $event->{event_type} }++;
        push @strange, "$name: $event->{event_type}" unless $event->{event_type} =~ expected($label);
        Cpanel::JSON::XS->new->allow_nonref->decode($event->{payload});
    }
    # Samples of different people have the same ids.
    $stack->dbh->do('DELETE FROM wflows.webhook_events');
}
is_deeply(\@refused, [], 'each is taken');
is_deeply(\@none, [], 'each is stored');
is_deeply(\@twice, [], 'once');
is_deeply(\@strange, [], 'each event has the type that the label promises');
note(join ' ', map { "$_=$types{$_}" } sort keys %types);

# ---- signatures --------------------------------------------------------------------------------------------------

for my $doc (corpus_docs('signatures')) {
    my ($name, $vector) = @$doc;
    next unless defined $vector->{header} && defined $vector->{secret};
    $stack->ctl('account', 'set', 'main', '--company', 'corp', '--overlap', '1s', { 'app-secret' => $vector->{secret} });
    my $body = decode_base64($vector->{body_base64});
    my $r = $hook->post($body, signature => $vector->{header});
    my $fits = $vector->{expected} eq 'valid';
    my $want = !$fits ? 401 : eval { $json->decode($body); 1 } ? 200 : 400;
    is($r->{status}, $want, "$name: " . ($fits ? 'valid' : 'not valid'));
    is($hook->post("$body ", signature => $vector->{header})->{status}, 401, 'and one byte more is not');
}

# ---- order --------------------------------------------------------------------------------------------------------

# What a company has in the end, times aside.
sub state_of {
    my ($hook) = @_;
    my $of = sub { return $json->encode($hook->rows($_[0])) };
    return {
        events => $of->(q{SELECT event_type, dedup_key, status, payload::text AS payload FROM wflows.webhook_events WHERE company_id = ? ORDER BY dedup_key COLLATE "C"}),
        sessions => $of->(q{SELECT encode(s.token_hash, 'hex') AS token, s.status, m.message_id FROM wflows.flow_sessions s
            LEFT JOIN wflows.flow_messages m USING (company_id, token_hash) WHERE s.company_id = ? ORDER BY s.token_hash}),
        responses => $of->(q{SELECT r.message_id, r.source, r.phone_number, r.response::text AS response, encode(s.token_hash, 'hex') AS token FROM wflows.flow_responses r
            LEFT JOIN wflows.flow_sessions s ON s.company_id = r.company_id AND s.id = r.session_id WHERE r.company_id = ? ORDER BY 1, 4}),
        outbox => $of->(q{SELECT idempotency_key, event_type FROM wflows.outbox WHERE company_id = ? AND consumer = 'callback' ORDER BY 1}),
        opt_outs => $of->(q{SELECT contact, category, active::int AS active, changed_at::text AS at FROM wflows.opt_outs WHERE company_id = ? ORDER BY 1, 2}),
        health => $of->(q{SELECT meta_flow_id, event, at::text AS at, payload::text AS payload FROM wflows.flow_health WHERE company_id = ? ORDER BY 1, 2}),
        usage => $of->(q{SELECT metric, sum(n) AS n FROM (
            SELECT metric, n, company_id FROM wflows.usage_counters WHERE metric IN ('webhook_event', 'message_received', 'message_sent', 'flow_completed')
            UNION ALL SELECT m.metric, m.n, p.company_id FROM wflows.counts_pending p, LATERAL (VALUES ('webhook_event', p.events),
                ('message_received', p.messages_received), ('message_sent', p.messages_sent), ('flow_completed', p.flows_completed)) m (metric, n)) u
            WHERE company_id = ? AND n > 0 GROUP BY metric ORDER BY metric}),
        account => $of->(q{SELECT a.total_messages_sent + coalesce(sum(p.messages_sent), 0) AS sent, a.total_flows_completed + coalesce(sum(p.flows_completed), 0) AS completed
            FROM wflows.whatsapp_accounts a LEFT JOIN wflows.counts_pending p ON p.company_id = a.company_id AND p.account_id = a.id WHERE a.company_id = ? GROUP BY a.company_id, a.id}),
    };
}

sub some_payloads {
    my ($h) = @_;
    my @p;
    for my $i (1 .. 20) {
        push @p, map { $h->statuses($h->status($_, "wamid.out.$i")) } qw(sent delivered read);
        push @p, $h->messages($h->text(id => "wamid.in.$i"), $h->text(id => 'wamid.in.' . ($i + 1)));
    }
    push @p, map { $h->messages($h->reply({ flow_token => "order-$_", n => $_ }, id => "wamid.flow.$_", context => "wamid.carried.$_")) } 1 .. 6;
    push @p, map { $h->envelope('user_preferences', $h->value(user_preferences => [{ wa_id => '3247000' . $_ % 3, category => 'marketing_messages',
        value => $_ % 2 ? 'stop' : 'resume', timestamp => 1_700_000_000 + $_ }])) } 1 .. 12;
    push @p, map { $h->envelope('flows', { event => 'ENDPOINT_LATENCY', flow_id => '88', alert_state => $_ % 2 ? 'ACTIVATED' : 'DEACTIVATED', n => $_ }) } 1 .. 6;
    $p[-$_]{entry}[0]{time} = 1_700_000_000 + $_ for 1 .. 6;
    return @p;
}

sub run_of {
    my ($slug, $seed, $parallel) = @_;
    my $tenant = Wflows::Tenant->add($stack, slug => $slug, flows => { survey => [linear_flow(['ONE', 'TWO'])] },
        accounts => [{ %{ $made{accounts}[0] }, app_secret => 'one-secret-for-all', phone_number_id => 7_000_000_000 }]);
    my $h = Wflows::Webhook->new(tenant => $tenant);
    $tenant->client(flow => 'survey', token => "order-$_")->init for 1 .. 4;
    my @p = some_payloads($h);
    if ($seed) { srand($seed); @p = shuffle(@p, @p, @p[0 .. 20]) }
    my @batches = map { [] } 1 .. $parallel;
    push @{ $batches[$_ % $parallel] }, $p[$_] for 0 .. $#p;
    my @pids = map {
        my $batch = $_;
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            my $own = Wflows::Webhook->new(tenant => $tenant);
            my $bad = grep { $own->post($_)->{status} != 200 } @$batch;
            require POSIX; POSIX::_exit($bad ? 1 : 0);
        }
        $pid;
    } @batches;
    my $bad = grep { waitpid($_, 0); $? } @pids;
    is($bad, 0, "$slug: each POST is answered with 200");
    return state_of($h);
}

my $straight = run_of('straight', 0, 1);
like($straight->{usage}, qr/"message_sent","n":"?20/, 'what was sent is counted');
is(scalar(() = $straight->{sessions} =~ /"completed"/g), 4, 'the sessions are completed');
for my $seed (1 .. 3) {
    my $shuffled = run_of("shuffled$seed", $seed, 4);
    is($shuffled->{$_}, $straight->{$_}, "shuffled, repeated and by four at once ($seed): the same $_") for sort keys %$straight;
}

errlog_ok($stack, ignore => ['WF0443']);
done_testing();
