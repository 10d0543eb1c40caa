#!/usr/bin/perl
# WhatsApp's webhooks through a real httpd: who may post, what is stored, what becomes of it.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use MIME::Base64 ();
use Test::More;
use Wflows::Flows qw(linear_flow);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok metric need start_stack);
use Wflows::Webhook;

need('pg', 'redis', 'httpd');
# Nobody is called: what is looked at is what would be sent.
my $stack = start_stack(server_directives => "WflowsFlowOutboxWorkers 0\n");
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my @callback = (options => ['--callback-url', 'https://callback.invalid/hook', '--callback-events', 'flow_completed,message.*,flow.*']);
my $acme = Wflows::Tenant->add($stack, slug => 'acme', accounts => [{ name => 'main', @callback }, { name => 'second' }, { name => 'third' }],
    flows => { survey => [linear_flow(['ONE', 'TWO'])] });
my $bolt = Wflows::Tenant->add($stack, slug => 'bolt');
my $hook = Wflows::Webhook->new(tenant => $acme);
my $second = Wflows::Webhook->new(tenant => $acme, account => 'second', named => 1);
my ($main_id, $second_id) = map { $acme->{accounts}{$_}{id} } qw(main second);

sub status_is {
    my ($r, $status, $name) = @_;
    is($r->{status}, $status, $name) or diag($r->{content});
    return $r;
}
my $stored = sub { scalar @{ $hook->events } };

# ---- handshake ---------------------------------------------------------------------------------------------------

$stack->ctl('account', 'set', 'second', '--company', 'acme', { 'verify-token' => 'token-of-second' });
my %ask = ('hub.mode' => 'subscribe', 'hub.challenge' => '1158201444', 'hub.verify_token' => 'token-of-second');
my $r = status_is($hook->get(%ask), 200, 'the handshake with the token of any account');
is($r->{content}, '1158201444', 'gives back the bare challenge');
is($r->{headers}{'content-type'}, 'text/plain', 'as text/plain');
status_is($second->get(%ask), 200, 'its own path too');
status_is(Wflows::Webhook->new(tenant => $acme, named => 1)->get(%ask), 403, 'another account\'s path does not');
status_is(Wflows::Webhook->new(tenant => $bolt)->get(%ask), 403, 'another company\'s neither');
status_is($hook->get(%ask, 'hub.verify_token' => 'token-of-secon'), 403, 'a wrong token');
status_is($hook->get(%ask, 'hub.mode' => 'unsubscribe'), 403, 'a wrong mode');
status_is($hook->get('hub.mode' => 'subscribe', 'hub.verify_token' => 'token-of-second'), 403, 'no challenge');
status_is($hook->get(%ask, 'hub.challenge' => "a\r\nSet-Cookie: x=1"), 403, 'a challenge with line ends');
status_is($hook->get(%ask, 'hub.challenge' => 'x' x 257), 403, 'one that is too long');
status_is($hook->{http}->request('PUT', $hook->{url}), 405, 'PUT');
like($hook->{http}->request('DELETE', $hook->{url})->{headers}{allow}, qr/GET.*POST/, 'and it says what is allowed');
status_is($hook->{http}->get($stack->httpd->url('/company/nobody/webhooks/whatsapp')), 404, 'an unknown company');

# ---- signatures --------------------------------------------------------------------------------------------------

my $hello = $hook->messages($hook->text);
status_is($hook->post($hello, signature => ''), 401, 'no signature');
status_is($hook->post($hello, secret => 'wrong'), 401, 'a wrong one');
status_is($hook->post($hello, signature => 'sha256=' . 'z' x 64), 401, 'one that is none');
status_is($hook->post($hello, secret => $bolt->{accounts}{main}{app_secret}), 401, 'another company\'s');
status_is(Wflows::Webhook->new(tenant => $acme, named => 1)->post($hello, secret => $acme->{accounts}{second}{app_secret}), 401,
    'another account\'s on a path that names one');
is($stored->(), 0, 'nothing of it is stored');
is(metric($stack, 'wflows_webhook_posts_total', 'bad_signature'), 5, 'but counted');

$r = status_is($hook->post($hello), 200, 'signed by the default account');
is($r->{content}, '', 'an empty answer');
status_is($hook->post($hook->messages($hook->text(id => 'wamid.third')), secret => $acme->{accounts}{third}{app_secret}), 200, 'by another one');
$stack->ctl('account', 'set', 'main', '--company', 'acme', '--overlap', '1h', { 'app-secret' => 'a-new-app-secret' });
status_is($hook->post($hook->messages($hook->text(id => 'wamid.old'))), 200, 'by the previous secret while it is valid');
status_is($hook->post($hook->messages($hook->text(id => 'wamid.new')), secret => 'a-new-app-secret'), 200, 'by the new one');
$hook->{secret} = 'a-new-app-secret';
is($stored->(), 4, 'each is stored');

# WHATSAPP.md 4.2: the bytes count, not what they mean.
my $trap = '{"text":"caf\u00e9 <\/b> a\u0040b"}';
$stack->ctl('account', 'set', 'third', '--company', 'acme', { 'app-secret' => 'app-secret-1' });
status_is($hook->post($trap, signature => 'sha256=eee577c1f9326f7e997728d7fe34a1060fc8c8fd2586ea2241f460d093ed3b99'), 200, 'the byte trap');
my ($raw) = grep { $_->{event_type} eq 'unknown' } @{ $hook->events };
is($raw->{payload}, $trap, 'and its bytes are kept');

# ---- bodies ------------------------------------------------------------------------------------------------------

my $before = $stored->();
status_is($hook->post($_->[0]), 400, $_->[1]) for ['', 'an empty body'], ['{', 'half a body'], ["{\"a\":\"\0\"}", 'a NUL'],
    ["{\"a\":\"\xff\xfe\"}", 'no UTF-8'], ['[' x 100_000, 'open brackets'], [('[' x 1000) . (']' x 1000), 'a thousand levels'];
is($stored->(), $before, 'nothing of it is stored');
status_is($hook->post('{"a":"' . 'x' x (3 * 1024 * 1024) . '"}'), 413, 'over 3 MiB');
my @strange = ('17', '"text"', 'null', '[]', '{}', '{"entry":[]}', '{"entry":17}', '{"entry":[{"changes":[]},17,null,[]]}', '{"entry":[{"changes":[null,17]}]}',
    '{"entry":[{"id":1e999,"time":-1,"changes":[{"field":"\u0000","value":{"messages":[{"id":"a\u0000b","type":"\ud800","timestamp":"99999999999999999999"}]}}]}]}',
    '{"entry":[{"changes":[{"field":"messages","field":"flows","value":{"messages":{},"statuses":[{},{"id":7,"status":[]}]}}]}]}',
    '{"entry":[{"changes":[{"value":{"contacts":[{"wa_id":"\ud83d"}],"messages":[{"id":"\udc00","text":{"body":"\ud800\u0000"}}]}}]}]}',
    '{"a":' . ('[' x 200) . (']' x 200) . '}', '{"entry":[{"id":"' . 'x' x 100_000 . '","changes":[{"field":"' . 'f' x 1000 . '","value":{}}]}]}',
    '{"n":' . '9' x 5000 . '}');
for my $body (@strange) {
    my $n = $stored->();
    status_is($hook->post($body), 200, 'a strange shape: ' . substr($body, 0, 60));
    cmp_ok($stored->(), '>', $n, 'is stored') or diag($body);
    my $after = $stored->();
    $hook->post($body);
    is($stored->(), $after, 'once');
}
is(scalar(grep { $_->{event_type} !~ /^[a-z0-9_.-]{1,64}$/ } @{ $hook->events }), 0, 'each has a type');
my ($surrogate) = grep { $_->{payload} =~ /udc00/ } @{ $hook->events };
cmp_ok(index($surrogate->{payload}, '"message":{"id":"\udc00","text":{"body":"\ud800\u0000"}}'), '>', 0, 'lone surrogates and NUL are kept as they were written');

# ---- what PostgreSQL does not take -------------------------------------------------------------------------------

{
    my $dbh = $stack->dbh;
    my $n = $stored->();
    my $post = $hook->messages($hook->text(id => 'wamid.poison'), $hook->text(id => 'wamid.beside'));
    $dbh->do(q{ALTER TABLE wflows.webhook_events ADD CONSTRAINT no_poison CHECK (dedup_key <> 'message:wamid.poison')});
    status_is($hook->post($post), 200, 'an event that PostgreSQL refuses');
    is($stored->(), $n + 1, 'is stored as one event with all that came with it');
    my ($kept) = grep { $_->{event_type} eq 'unknown' && $_->{payload} =~ /^\{"base64":/ } @{ $hook->events };
    is(MIME::Base64::decode_base64($json->decode($kept->{payload})->{base64}), $json->encode($post), 'to the last byte');
    status_is($hook->post($post), 200, 'posted again');
    is($stored->(), $n + 1, 'it is a duplicate');
    is(scalar(grep { $_->{dedup_key} =~ /wamid\.(?:poison|beside)/ } @{ $hook->events }), 0, 'nothing of it is stored by half');
    $dbh->do('ALTER TABLE wflows.webhook_events DROP CONSTRAINT no_poison');
    status_is($hook->post($post), 200, 'when it takes them');
    is($stored->(), $n + 3, 'both are stored');
}

# ---- routing -----------------------------------------------------------------------------------------------------

my $event = sub { my ($key) = @_; return (grep { $_->{dedup_key} eq $key } @{ $hook->events })[0] };
is($event->('message:wamid.old')->{account_id}, $main_id, 'an event is its number\'s');
my $all = $hook->envelope('messages', map { my $w = Wflows::Webhook->new(tenant => $acme, account => $_); $w->value(messages => [$w->text(id => "wamid.of.$_")]) } qw(main second third));
push @{ $all->{entry} }, { id => '5', changes => [{ field => 'messages', value => { metadata => { phone_number_id => '99999999' }, messages => [$hook->text(id => 'wamid.stranger')] } }] };
push @{ $all->{entry} }, { id => $stack->dbh->selectrow_array('SELECT waba_id FROM wflows.whatsapp_accounts WHERE id = ?', undef, $second_id), time => 1767225600,
    changes => [{ field => 'flows', value => { event => 'ENDPOINT_LATENCY', message => 'slow', flow_id => '880011', p90_latency => 5400 } }] };
status_is($hook->post($all), 200, 'one POST for three numbers, a stranger\'s and a WABA');
is($event->("message:wamid.of.$_")->{account_id}, $acme->{accounts}{$_}{id}, "the event of $_") for qw(main second third);
my $stranger = $event->('message:wamid.stranger');
is_deeply([@$stranger{qw(account_id status phone_number_id)}], [undef, 'unrouted', '99999999'], 'the stranger\'s is kept unrouted');
my ($health) = grep { $_->{event_type} eq 'flow.endpoint_latency' } @{ $hook->events };
is($health->{account_id}, $second_id, 'what has no number is its WABA\'s');
is_deeply($hook->rows('SELECT meta_flow_id, event FROM wflows.flow_health WHERE company_id = ?'), [{ meta_flow_id => '880011', event => 'endpoint_latency' }],
    'the health of a flow is kept');
status_is($second->post($second->messages($second->text(id => 'wamid.named'))), 200, 'on the path of an account');
is($event->('message:wamid.named')->{account_id}, $second_id, 'its events are its own');
is_deeply([map { $_->{idempotency_key} } grep { $_->{idempotency_key} =~ /^message:wamid\.(?:of|stranger)/ } @{ $hook->callbacks }],
    ['message:wamid.of.main', 'message:wamid.stranger'], 'callbacks go to who wants them; the unrouted to the default account');

# ---- finished flows ----------------------------------------------------------------------------------------------

my $phone = $acme->client(flow => 'survey', token => 'token-walk');
$phone->{app_secret} = 'a-new-app-secret';
answers($phone->init, 'ONE', 'a session begins');
my $redis = $stack->redis->client;
ok(scalar($redis->keys('wf:{acme}:session:*')), 'it is cached');
my $done = $hook->messages($hook->reply({ flow_token => 'token-walk', color => 'red' }, id => 'wamid.done', context => 'wamid.flow.1'));
status_is($hook->post($done), 200, 'its nfm_reply') for 1 .. 2;
my ($session) = @{ $acme->sessions('token-walk') };
is($session->{status}, 'completed', 'completes the session');
is($json->decode($session->{record})->{status}, 'completed', 'in its record too');
cmp_ok($json->decode($session->{record})->{completed_at}, '>', 0, 'with the time');
is_deeply([$redis->keys('wf:{acme}:session:*')], [], 'it is not in the cache any more');
is($phone->exchange('ONE', { answer => 'late' })->{status}, 427, 'and takes no more steps');
my @responses = @{ $hook->rows('SELECT session_id, flow_name, source, message_id, phone_number, response::text AS response FROM wflows.flow_responses WHERE company_id = ? ORDER BY message_id') };
is(scalar @responses, 1, 'one response');
is_deeply([@{ $responses[0] }{qw(session_id flow_name source message_id phone_number)}], [$session->{id}, 'survey', 'webhook', 'wamid.done', '32470000001'], 'of that session');
is_deeply($json->decode($responses[0]{response}), { flow_token => 'token-walk', color => 'red' }, 'with the answers');
my ($callback) = grep { $_->{event_type} eq 'flow_completed' } @{ $hook->callbacks };
my $told = $json->decode($callback->{payload});
is_deeply([sort keys %$told], [sort qw(event_type flow_token flow_id flow_name phone_number response_data timestamp company_id account_id message_id)], 'the callback has the members of DESIGN section 8');
is_deeply([@$told{qw(flow_token flow_name phone_number timestamp company_id account_id message_id)}],
    ['token-walk', 'survey', '32470000001', '2026-01-01T00:01:40.000000Z', $acme->{id}, $main_id, 'wamid.done'], 'and their values');
is_deeply($told->{response_data}, { flow_token => 'token-walk', color => 'red' }, 'the answers are JSON');

my $walked = $acme->client(flow => 'survey', token => 'token-success');
$walked->{app_secret} = 'a-new-app-secret';
answers($walked->init, 'ONE', 'another session');
answers($walked->exchange('ONE', { a => 1 }), 'TWO', 'goes on');
answers($walked->exchange('TWO', { b => 2 }), 'SUCCESS', 'and ends at the endpoint');
status_is($hook->post($hook->messages($hook->reply({ flow_token => 'token-success' }, id => 'wamid.success'))), 200, 'then comes its nfm_reply');
my $of = $hook->rows(q{SELECT source, message_id, phone_number FROM wflows.flow_responses WHERE company_id = ? AND session_id IN
    (SELECT id FROM wflows.flow_sessions WHERE status = 'completed') ORDER BY message_id});
is_deeply($of, [{ source => 'webhook', message_id => 'wamid.done', phone_number => '32470000001' },
    { source => 'endpoint', message_id => 'wamid.success', phone_number => '32470000001' }], 'the endpoint\'s response is completed, not doubled');

status_is($hook->post($hook->messages($hook->reply({ again => 1 }, id => 'wamid.context', context => 'wamid.flow.1'),
    $hook->reply({ flow_token => 'unused', x => 1 }, id => 'wamid.unused'), $hook->reply('[1,2]', id => 'wamid.list'), $hook->reply('{"broken', id => 'wamid.broken'))), 200,
    'replies without a token of their own');
my %response = map { $_->{message_id} => $_ } @{ $hook->rows('SELECT session_id, message_id, response::text AS response FROM wflows.flow_responses WHERE company_id = ?') };
is($response{'wamid.context'}{session_id}, $session->{id}, 'one is matched by the message it answers');
is($response{'wamid.unused'}{session_id}, undef, 'a shared token matches nothing');
is($response{'wamid.list'}{response}, '[1,2]', 'an array is an answer');
is($response{'wamid.broken'}{response}, '"{\\"broken"', 'what is no JSON is kept as text');

# ---- what is counted -----------------------------------------------------------------------------------------------

my $shown = $stack->ctl('account', 'show', 'main', '--company', 'acme');
is($shown->{total_flows_completed}, 6, 'finished flows are counted');
is_deeply($shown->{callback_event_types}, ['flow_completed', 'message.*', 'flow.*'], 'and wflowsctl shows what is wanted');
status_is($hook->post($hook->statuses(map { $hook->status($_, 'wamid.out') } qw(sent delivered read))), 200, 'statuses') for 1 .. 3;
is($stack->ctl('account', 'show', 'main', '--company', 'acme')->{total_messages_sent}, 1, 'a message that was sent is counted once');
is(metric($stack, 'wflows_webhook_events_total', 'class="status",result="duplicate"'), 8, 'duplicates are counted');
cmp_ok(metric($stack, 'wflows_webhook_events_total', 'class="message",result="unrouted"'), '>=', 1, 'the unrouted too');
my $pref = sub { my ($value, $at) = @_; $hook->post($hook->envelope('user_preferences', $hook->value(user_preferences => [
    { wa_id => '32470000009', category => 'marketing_messages', value => $value, timestamp => $at }]))) };
$pref->('resume', 1700000200); $pref->('stop', 1700000100);
is_deeply($hook->rows('SELECT contact, category, active::int AS active FROM wflows.opt_outs WHERE company_id = ?'), [{ contact => '32470000009', category => 'marketing_messages', active => 0 }],
    'an older stop that comes late does not count');
$pref->('stop', 1700000300);
is($stack->dbh->selectrow_array('SELECT active::int FROM wflows.opt_outs WHERE company_id = ?', undef, $acme->{id}), 1, 'a newer one does');

# ---- other companies, inactive ones ---------------------------------------------------------------------------------

is(scalar @{ Wflows::Webhook->new(tenant => $bolt)->events }, 0, 'the other company has none of it');
my $of_bolt = Wflows::Webhook->new(tenant => $bolt);
status_is($of_bolt->post($hook->messages($hook->reply({ flow_token => 'token-walk' }, id => 'wamid.done'))), 200, 'the same ids in another company');
is_deeply([map { "$_->{dedup_key} $_->{status}" } @{ $of_bolt->events }], ['message:wamid.done unrouted'], 'are its own, and A\'s number is unknown there');
is_deeply($of_bolt->rows('SELECT session_id FROM wflows.flow_responses WHERE company_id = ?'), [{ session_id => undef }], 'A\'s token finds nothing there');
$stack->ctl('company', 'suspend', 'bolt');
status_is($of_bolt->post($of_bolt->messages($of_bolt->text(id => 'wamid.suspended'))), 200, 'a suspended company\'s events are still kept');
is(scalar @{ $of_bolt->events }, 2, 'they are');

# ---- servers that are down --------------------------------------------------------------------------------------------

$stack->redis->stop;
status_is($hook->post($hook->messages($hook->text(id => 'wamid.noredis'))), 200, 'Redis is not needed');
status_is($hook->post($hook->messages($hook->reply({ flow_token => 'token-walk' }, id => 'wamid.noredis2'))), 200, 'nor for a finished flow');
$stack->redis->start;
$stack->pg->stop;
status_is($hook->post($hook->messages($hook->text(id => 'wamid.nopg'))), 503, 'PostgreSQL is');
$stack->pg->start;
my $after = Wflows::Process::wait_until(30, sub { $hook->post($hook->messages($hook->text(id => 'wamid.nopg')))->{status} == 200 });
ok($after, 'sent again it is taken');
ok($event->('message:wamid.nopg'), 'and there');

errlog_ok($stack, ignore => [qr/WF0442/, 'WF0444', qr/WF0443/, qr/WF0(?:052|065|094|100)/, 'WF0420']);
done_testing();
