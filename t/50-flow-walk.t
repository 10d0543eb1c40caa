#!/usr/bin/perl
# Whole flows through the three parts together: sessions, BACK, repeats, tokens, versions, logic, and the
# company's own server behind `ask: "backend"`.

use strict;
use warnings;
use utf8;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;
use Time::HiRes qw(sleep time);
use Wflows::Backend;
use Wflows::Flows qw(linear_flow);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok metric need refused start_stack);

need('pg', 'redis', 'httpd');
my $stack = start_stack(httpd => { main => "WflowsFlowCallbackAllow 127.0.0.1/32\n" });
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my @booking = ('demo/appointment.json', 'demo/appointment.logic.json');
my $acme = Wflows::Tenant->add($stack, slug => 'acme', flows => { booking => \@booking, plain => [linear_flow([
    ['FIRST', { greeting => 'Hello', options => [{ id => 'a', title => 'A' }] }], 'SECOND', 'THIRD'])] });

sub steps { my ($token) = @_; my $s = $acme->sessions($token)->[0]; return $s ? $s->{step} : 'no session' }

# ---- one walk ----------------------------------------------------------------------------------------------------

my $user = $acme->client(flow => 'booking', token => 'tok-walk');
is_deeply($user->ping->{answer}, { data => { status => 'active' } }, 'ping');
my $d = answers($user->init, 'CHOOSE_SERVICE', 'INIT shows the entry screen');
is_deeply([map { $_->{id} } @{ $d->{services} }], [qw(haircut colour home_visit)], 'with the data of the logic, not the declarations');
is_deeply([sort keys %$d], ['first_day', 'services'], 'every declared key and nothing else');
is(steps('tok-walk'), 1, 'the step is committed');

$d = answers($user->exchange('CHOOSE_SERVICE', { service => 'haircut', day => '2030-05-17' }), 'CHOOSE_TIME', 'data_exchange goes on');
is($d->{intro}, 'Times for haircut on 2030-05-17:', 'with what was submitted');
$d = answers($user->back('CHOOSE_TIME'), 'CHOOSE_SERVICE', 'BACK names the screen that is left and shows the one before');
is(scalar @{ $d->{services} }, 3, 'with all its data');
$d = answers($user->exchange('CHOOSE_SERVICE', { service => 'home_visit', day => '2030-05-18' }), 'CHOOSE_TIME', 'another choice');
is($d->{times}[0]{id}, '1800', 'and the first rule whose `when` holds wins');
$d = answers($user->exchange('CHOOSE_TIME', { time => '1800', name => 'Ada', age => '17' }), 'CHOOSE_TIME', 'error_message keeps the user on the screen');
is($d->{error_message}, 'You have to be 18 or older to book.', 'and says why');
is($d->{times}[0]{id}, '1800', 'with the data the screen had');
$d = answers($user->exchange('CHOOSE_TIME', { time => '1930', name => 'Ada "Łucja" 🌍', age => '36' }), 'CONFIRM', 'the summary');
is($d->{summary}, 'Ada "Łucja" 🌍: home_visit on 2030-05-18 at 1930', 'reads data and session, any script');
my $done = $user->exchange('CONFIRM', { reminder => Cpanel::JSON::XS::true });
$d = answers($done, 'SUCCESS', 'the terminal screen ends the flow');
is_deeply($d->{extension_message_response}{params}, { flow_token => 'tok-walk', service => 'home_visit', day => '2030-05-18',
    time => '1930', name => 'Ada "Łucja" 🌍' }, 'with the params of `complete` and the flow_token');

my $session = $acme->sessions('tok-walk')->[0];
is($session->{status}, 'completed', 'the session is completed');
is($session->{step}, 7, 'after seven steps');
my $responses = $acme->responses;
is(scalar @$responses, 1, 'the response is stored once');
is($responses->[0]{session_id}, $session->{id}, 'with its session');
is(Cpanel::JSON::XS->new->decode($responses->[0]{response})->{name}, 'Ada "Łucja" 🌍', 'and its answers');

my $again = $user->exchange('CONFIRM', { reminder => Cpanel::JSON::XS::true });
answers($again, 'SUCCESS', 'the same last request again gets the same SUCCESS');
is_deeply($again->{answer}, $done->{answer}, 'word for word');
isnt($again->{body}, $done->{body}, 'though encrypted for its own request');
for my $late ($user->init, $user->exchange('CHOOSE_SERVICE', { service => 'colour', day => '2031-01-01' }), $user->back('CONFIRM')) {
    is($late->{status}, 427, 'any other request with a completed token gets 427');
    ok(length($late->{answer}{error_msg} // ''), 'with an encrypted error_msg');
}
is($acme->sessions('tok-walk')->[0]{step}, 7, 'and changes nothing');
is(scalar @{ $acme->responses }, 1, 'nor makes a second response');

# ---- without logic -------------------------------------------------------------------------------------------------

my $two = $acme->client(flow => 'plain', token => 'tok-plain');
$d = answers($two->init, 'FIRST', 'without logic INIT shows the entry screen');
is_deeply($d, { greeting => 'Hello', options => [{ id => 'a', title => 'A' }] }, 'with the examples, as nothing better is known');
is_deeply(answers($two->exchange('FIRST', { answer => 'one', greeting => 'Bonjour' }), 'SECOND', 'the routing model leads on'), {}, 'a screen without data gets {}');
answers($two->exchange('SECOND', { answer => 'two' }), 'THIRD', 'and on');
$d = answers($two->back('THIRD'), 'SECOND', 'BACK');
$d = answers($two->back('SECOND'), 'FIRST', 'and BACK again');
is($d->{greeting}, 'Bonjour', 'a declared key is filled from the answer of that name');
answers($two->exchange('FIRST', { answer => 'uno' }), 'SECOND', 'forward');
answers($two->exchange('SECOND', { answer => 'due' }), 'THIRD', 'forward');
$d = answers($two->exchange('THIRD', { answer => 'tre' }), 'SUCCESS', 'the end');
is_deeply($d->{extension_message_response}{params}, { flow_token => 'tok-plain', answer => 'tre', greeting => 'Bonjour' }, 'with all answers, the last of each name');
answers($acme->client(flow => 'plain', token => 'tok-p2')->exchange('SECOND', { answer => 'x' }), 'THIRD',
    'with flow_action navigate the first request is a data_exchange, from any screen');
is($acme->sessions('tok-p2')->[0]{step}, 1, 'and begins the session');

# ---- error notifications ---------------------------------------------------------------------------------------------

my $phone = $acme->client(flow => 'booking', token => 'tok-error');
answers($phone->init, 'CHOOSE_SERVICE', 'a session');
my $stored = $acme->sessions('tok-error')->[0];
my %notification = (
    'error' => { error => 'payload-schema-error', error_message => 'times is missing' },
    'error_key' => { error_key => 'invalid-screen-transition', error_message => 'x' },
    'an empty error' => { error => '', error_message => 'x' },
);
for my $what (sort keys %notification) {
    for my $action (qw(data_exchange INIT navigate)) {
        my $r = $phone->send($phone->request($action, 'CHOOSE_SERVICE', $notification{$what}));
        is_deeply($r->{answer}, { data => { acknowledged => Cpanel::JSON::XS::true } }, "an error notification ($what, $action) is acknowledged");
    }
}
my $r = $phone->send({ %{ $phone->request('data_exchange', 'CHOOSE_SERVICE', $notification{error}) }, version => 300 });
is_deeply($r->{answer}{data}, { acknowledged => Cpanel::JSON::XS::true }, 'also with a number as its version');
is_deeply($acme->sessions('tok-error')->[0], $stored, 'and never advances the session');
cmp_ok($stack->dbh->selectrow_array(q{SELECT count(*) FROM wflows.webhook_events WHERE company_id = ?}, undef, $acme->{id}), '>=', 1,
    'it is stored for the developer');

# ---- repeated requests ---------------------------------------------------------------------------------------------------

my $repeat = $acme->client(flow => 'booking', token => 'tok-repeat');
my @request = ('CHOOSE_SERVICE', { service => 'haircut', day => '2030-05-17' });
answers($repeat->init, 'CHOOSE_SERVICE', 'a session');
my @replies = map { $repeat->exchange(@request) } 1 .. 5;
is_deeply([map { $_->{plain} } @replies], [($replies[0]{plain}) x 5], 'a repeated request gets the same answer');
is(steps('tok-repeat'), 2, 'and is one step');

my @children = map {
    my $pid = fork() // die "fork: $!";
    if (!$pid) {
        my $c = $acme->client(flow => 'booking', token => 'tok-race');
        my $got = $c->exchange('CHOOSE_SERVICE', { service => 'colour', day => '2030-05-19' });
        Test::More->builder->no_ending(1);
        require POSIX;
        POSIX::_exit(($got->{answer}{screen} // '') eq 'CHOOSE_TIME' ? 0 : 1);
    }
    $pid;
} 1 .. 12;
my $wrong = 0;
for my $pid (@children) { waitpid($pid, 0); $wrong++ if $? }
is($wrong, 0, 'twelve equal requests at once all get the answer');
is_deeply([map { $_->{step} } @{ $acme->sessions('tok-race') }], [1], 'and are one session with one step');

# ---- tokens that name nobody ---------------------------------------------------------------------------------------------------

my $shared = Wflows::Tenant->add($stack, slug => 'shared', settings => { shared_flow_tokens => ['kiosk'] }, flows => { booking => \@booking });
my %nobody = ('the token "unused"' => 'unused', 'a token of the settings' => 'kiosk', 'an empty token' => '', 'no token' => undef);
for my $what (sort keys %nobody) {
    my $c = $shared->client(flow => 'booking', token => $nobody{$what});
    my $step = sub { my ($who) = @_; return $c->exchange('CHOOSE_SERVICE', { service => $who, day => '2030-01-02' }) };
    answers($c->init, 'CHOOSE_SERVICE', "$what: INIT is answered");
    my $one = $step->('first-person');
    my $two_ = $step->('second-person');
    is($one->{answer}{data}{intro}, 'Times for first-person on 2030-01-02:', "$what: the first gets their own answer");
    is($two_->{answer}{data}{intro}, 'Times for second-person on 2030-01-02:', "$what: the second gets theirs");
    $d = answers($c->exchange('CHOOSE_TIME', { time => '0900', name => 'Eve', age => '30' }), 'CONFIRM', "$what: later screens are answered");
    unlike($json->encode($d), qr/person/, "$what: without anything of the others");
}
is_deeply($shared->sessions, [], 'and no session is stored');

# ---- tokens and time ---------------------------------------------------------------------------------------------------

my $short = Wflows::Tenant->add($stack, slug => 'short', settings => { session_ttl => 60 }, flows => { booking => \@booking });
my $expiring = $short->client(flow => 'booking', token => 'tok-old');
answers($expiring->init, 'CHOOSE_SERVICE', 'a session that will expire');
$stack->dbh->do(q{UPDATE wflows.flow_sessions SET expires_at = now() - interval '1 second',
    record = jsonb_set(record::jsonb, '{expires_at}', to_jsonb((extract(epoch FROM now()) * 1000000)::bigint - 1000000))::text
    WHERE company_id = ?}, undef, $short->{id});
$stack->redis->client->flushall;
$r = $expiring->exchange(@request);
is($r->{status}, 427, 'an expired session gets 427');
ok(length($r->{answer}{error_msg} // ''), 'with an encrypted error_msg');

my $bound = Wflows::Tenant->add($stack, slug => 'bound', settings => { require_bound_tokens => Cpanel::JSON::XS::true }, flows => { booking => \@booking });
$r = $bound->client(flow => 'booking', token => 'made-up')->init;
is($r->{status}, 427, 'a company that requires bound tokens refuses an invented one');
is($bound->client(flow => 'booking')->ping->{status}, 200, 'but answers ping, which has none');

# ---- versions ---------------------------------------------------------------------------------------------------------------

my $versions = Wflows::Tenant->add($stack, slug => 'versions');
$versions->add_flow('survey', linear_flow(['OLD_ONE', 'OLD_TWO', 'OLD_END']));
my $under_way = $versions->client(flow => 'survey', token => 'tok-v1');
answers($under_way->init, 'OLD_ONE', 'a session on version 1');
$versions->add_flow('survey', linear_flow(['NEW_ONE', 'NEW_END']));
answers($under_way->exchange('OLD_ONE', { answer => 'a' }), 'OLD_TWO', 'stays on version 1 when version 2 becomes active');
answers($versions->client(flow => 'survey', token => 'tok-v2')->init, 'NEW_ONE', 'a new session gets version 2');
answers($versions->client(flow => 'survey@1', token => 'tok-v3')->init, 'OLD_ONE', 'the path can pin version 1');
answers($versions->client(flow => 'survey@2', token => 'tok-v4')->init, 'NEW_ONE', 'or version 2');
$stack->redis->client->flushall;
answers($under_way->exchange('OLD_TWO', { answer => 'b' }), 'OLD_END', 'a session is on its version from PostgreSQL too');
is($stack->redis->client->hget((($stack->redis->client->keys('wf:{versions}:use:*'))[0]), 'n'), 1, 'and is counted once, not with each look for its plan');
$versions->add_flow('survey', linear_flow(['THREE', 'THREE_END']), undef, '--no-activate');
answers($versions->client(flow => 'survey', token => 'tok-v5')->init, 'NEW_ONE', 'a version that is not activated is not used');
$stack->redis->client->flushall;
answers($versions->client(token => 'tok-v4')->exchange('NEW_ONE', { answer => 'c' }), 'NEW_END',
    'where the path names no flow and the cache has forgotten the session, PostgreSQL knows which it is in');
$stack->ctl('flow', 'deactivate', 'survey', '--company', 'versions');
refused($versions->client(flow => 'survey', token => 'tok-v6')->init, 404, 'a deactivated flow is not there');
$stack->ctl('flow', 'activate', 'survey', '--company', 'versions');
answers($versions->client(flow => 'survey', token => 'tok-v6')->init, 'NEW_ONE', 'an activated one is, at once');

# ---- our own answer is checked -----------------------------------------------------------------------------------------------------

my $checked = Wflows::Tenant->add($stack, slug => 'checked');
$checked->add_flow('bad', linear_flow(['START', ['SHOW', { text => 'fine', list => [{ id => 'x', title => 'X' }] }], 'FINISH']),
    { screens => { START => [{ next => 'SHOW', data => { text => '${data.answer}', list => '${data.list}' } }] } });
my $c = $checked->client(flow => 'bad', token => 'tok-check');
answers($c->init, 'START', 'a session');
$d = answers($c->exchange('START', { answer => { not => 'a string' }, list => [] }), 'START', 'an answer with a wrong type is not sent: the same screen instead');
ok(length($d->{error_message} // ''), 'with an error_message');
$d = answers($c->exchange('START', { answer => 'ok', list => [{ id => 'y', title => 'Y' }] }), 'SHOW', 'a right one is');
is_deeply($d, { text => 'ok', list => [{ id => 'y', title => 'Y' }] }, 'types kept');

# ---- the company's own server ---------------------------------------------------------------------------------------------------------

my $backend = Wflows::Backend->start(log => "$stack->{dir}/backend.ndjson", answer => sub {
    my ($request) = @_;
    my $in = Cpanel::JSON::XS->new->utf8->decode($request->{body});
    my $what = $in->{data}{answer} // '';
    sleep 5 if $what eq 'slow';
    return [500, {}, 'broken'] if $what eq 'fail';
    return [200, {}, 'not json'] if $what eq 'garbage';
    return [302, { Location => 'http://127.0.0.1:1/' }, ''] if $what eq 'redirect';
    return [200, { 'Content-Type' => 'application/json' }, '{"error_message":"No room that day."}'] if $what eq 'full';
    return [200, {}, '{"screen":"NOWHERE","data":{}}'] if $what eq 'astray';
    return [200, {}, Cpanel::JSON::XS->new->utf8->encode({ screen => 'RESULT', data => { text => "backend says $what" } })];
});
my $asking = Wflows::Tenant->add($stack, slug => 'asking', accounts => [{ name => 'main', options => [] }]);
$stack->{known_secrets}{'callback secret'} = my $callback = 'whsec_' . encode_base64('callback-secret-of-the-test-0123', '');
$stack->ctl('account', 'set', 'main', '--company', 'asking', { 'callback-secret' => $callback });
my $ask = sub { my ($url) = @_; return (linear_flow(['QUESTION', ['RESULT', { text => 'x' }], 'BYE']), {
    screens => { QUESTION => [{ ask => 'backend' }] },
    backend => { url => $url, timeout_ms => 700, on_failure => { error_message => 'Please try again.' } } }) };
$asking->add_flow('ask', $ask->($backend->url('/flows')));

my $asker = $asking->client(flow => 'ask', token => 'tok-ask');
answers($asker->init, 'QUESTION', 'a session of a flow that asks its company');
$d = answers($asker->exchange('QUESTION', { answer => 'yes' }), 'RESULT', 'the company\'s server decides');
is($d->{text}, 'backend says yes', 'and its data is shown');
my ($sent) = $backend->requests;
is($sent->{method} . ' ' . $sent->{path}, 'POST /flows', 'it was asked by POST');
my $in = $json->decode($sent->{body});
is($in->{data}{answer}, 'yes', 'with the decrypted data as plain JSON');
is($in->{screen}, 'QUESTION', 'the screen');
is($in->{flow_token}, 'tok-ask', 'and the token');
my %h = %{ $sent->{headers} };
my $expected = encode_base64(hmac_sha256("$h{'webhook-id'}.$h{'webhook-timestamp'}.$sent->{body}", decode_base64(substr($callback, 6))), '');
ok((grep { $_ eq "v1,$expected" } split / /, $h{'webhook-signature'} // ''), 'signed as Standard Webhooks says');
cmp_ok(abs($h{'webhook-timestamp'} - time), '<', 60, 'with the time of now');

my $n = 0;
for my $case (['slow', 'a backend that is late'], ['fail', 'a backend that answers 500'], ['garbage', 'a backend that answers no JSON'],
    ['redirect', 'a backend that redirects'], ['astray', 'a backend that names an unknown screen']) {
    my ($what, $name) = @$case;
    my $token = 'tok-ask-' . $n++;
    my $other = $asking->client(flow => 'ask', token => $token);
    answers($other->init, 'QUESTION', 'a session');
    my $start = time;
    $d = answers($other->exchange('QUESTION', { answer => $what }), 'QUESTION', "$name: the on_failure answer");
    cmp_ok(time - $start, '<', 2.5, 'in time');
    ok(length($d->{error_message} // ''), 'with an error_message') or diag(explain($d));
    sleep 1.1 if $what eq 'slow';
}
my $full = $asking->client(flow => 'ask', token => 'tok-full');
$d = answers($full->exchange('QUESTION', { answer => 'full' }), 'QUESTION', 'a backend may send an error_message');
is($d->{error_message}, 'No room that day.', 'which the user sees');

# The guard: only 127.0.0.1 is allowed here, and nothing else that is not public.
my $seen = scalar $backend->requests;
my $port = $backend->{port};
for my $url ("http://127.0.0.2:$port/", "http://[::1]:$port/", "http://0.0.0.0:$port/", "http://169.254.169.254/latest/", "http://10.0.0.1:$port/",
    "http://[::ffff:127.0.0.2]:$port/", "http://[64:ff9b::7f00:2]:$port/", "http://2130706434:$port/") {
    my $flow = 'guard' . $n++;
    my @files = $ask->($url);
    my $added = $stack->ctl_raw(['flow', 'add', $flow, '--company', 'asking', '--flow-json', $asking->file('f.json', $files[0]),
        '--logic', $asking->file('l.json', $files[1])]);
    if ($added->{rc} != 0) {
        pass("$url is refused when the flow is saved");
        next;
    }
    my $guarded = $asking->client(flow => $flow, token => "tok-$flow");
    $d = answers($guarded->exchange('QUESTION', { answer => 'in' }), 'QUESTION', "$url is not asked");
    is($d->{error_message}, 'Please try again.', 'and on_failure answers');
}
is(scalar $backend->requests, $seen, 'nothing of this reached a server');
$backend->stop;

# ---- what one exchange costs ---------------------------------------------------------------------------------------------------------------

my $warm = $acme->client(flow => 'booking', token => 'tok-cost');
answers($warm->init, 'CHOOSE_SERVICE', 'a warm session');
$warm->exchange('CHOOSE_SERVICE', { service => 'x', day => "2030-01-0$_" }) for 1 .. 3;
my $reads = sub { return $stack->redis->client->info('stats')->{total_reads_processed} };
my ($rsa, $start) = (metric($stack, 'wflows_rsa_private_operations_total'), $reads->());
my $own = $reads->() - $start;
my ($use) = $stack->redis->client->keys('wf:{acme}:use:*');
my $counted = $stack->redis->client->hget($use, 'n');
$start = $reads->();
$warm->exchange('CHOOSE_SERVICE', { service => 'y', day => "2030-02-$_" }) for 10 .. 29;
my $cost = ($reads->() - $start - $own) / 20;
is($stack->redis->client->hget($use, 'n') - $counted, 20, 'each is counted once for the month');
cmp_ok($stack->redis->client->ttl($use), '>', 86400, 'and the count goes by itself when the month is long over');
is(metric($stack, 'wflows_rsa_private_operations_total') - $rsa, 20, 'twenty warm exchanges are twenty RSA operations');
# Every five seconds a process also writes what it counted of its companies: two of these may fall in between.
cmp_ok($cost, '<=', 3 + 2 / 20, "and at most two Redis round trips each, and the write of the session ($cost)");

errlog_ok($stack, ignore => [qr/\bWF011\d\b/, 'WF0421', 'WF0422', 'WF0424'], expect => ['WF0116', 'WF0118']);
done_testing();
