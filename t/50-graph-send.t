#!/usr/bin/perl
# Flows sent to users through the API: the message as Meta wants it, a token that is bound to company, account and flow,
# once for each Idempotency-Key, not to people who asked to be left alone; and the answer finds its way back by the
# message's id.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Digest::SHA qw(sha256_hex);
use File::Temp qw(tempdir);
use Test::More;
use Wflows::Api;
use Wflows::Flows qw(linear_flow);
use Wflows::Graph;
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok need refused start_stack);
use Wflows::Webhook;

need('pg', 'redis', 'httpd');
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $true = Cpanel::JSON::XS::true;
my $dir = tempdir(CLEANUP => 1);
my $token = 'EAAGaccesstoken0123456789';
my $phone = '5511987654321';
my $graph = Wflows::Graph->start(dir => $dir, token => $token);
my $stack = start_stack(server_directives => $graph->directives);
@{ $stack->{known_secrets} }{'access token', 'telephone number'} = ($token, $phone);
my $dbh = $stack->dbh;
my $acme = Wflows::Tenant->add($stack, slug => 'acme', accounts => [{ name => 'main' }, { name => 'second' }]);
my $other = Wflows::Tenant->add($stack, slug => 'other');
my $account = $acme->{accounts}{main};
my ($waba) = $dbh->selectrow_array('select waba_id from wflows.whatsapp_accounts where id = ?', undef, $account->{id});
my $number = $account->{phone_number_id};
$graph->add_number($number, waba => $waba);
my $platform = Wflows::Api->new($stack);
my %as = map { $_ => $platform->as(role => $_, company => $acme->{id}) } qw(admin gestor operador leitura);
my $base = "/companies/$acme->{id}";
my $flow = $as{gestor}->must('POST', "$base/flows", { name => 'plain', flow_json => linear_flow([['FIRST', { day => '2026-01-01' }], 'SECOND']), activate => $true });
my $path = "$base/flows/$flow->{id}/send";
my %message = (to => "+55 (11) 98765-4321", text => 'Choose your slot', button => 'Book now');
my %template = (to => $phone, type => 'template', template_name => 'book_slot', language => 'pt_BR');

sub status_is {
    my ($r, $status, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($r->{status}, $status, $name) or diag($r->{body});
    return $r->{json};
}

sub refused_with {
    my ($r, $status, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$r->{status} " . (($r->{json} // {})->{code} // '-'), "$status $code", $name) or diag($r->{body});
    return $r->{json};
}

sub send_steps { return scalar grep { $_ eq 'message_send' } $graph->steps }
sub row { my ($id) = @_; return $dbh->selectrow_hashref(q{select *, encode(token_hash, 'hex') as hash from wflows.sent_messages where id = ?}, undef, $id) }

# ---- refused --------------------------------------------------------------------------------------------------

refused_with($as{leitura}->post($path, \%message), 403, 'forbidden', 'a reader sends nothing');
is(Wflows::Api::pointers($as{operador}->post($path, { to => 'x', recipient => 'a b', type => 'x', category => 'x', data => [], header => 'h' x 61, text => '', footer => '', button => 'b' x 31,
    action => 'x', screen => '', draft => 1, template_name => '', language => '', button_index => 10, components => [1], token_ttl_seconds => 1, account_id => 'x', colour => 1 })),
    join(' ', sort map { "/$_" } qw(to recipient type category data header text footer button action screen draft template_name language button_index components/0 token_ttl_seconds account_id colour)), 'every bad member is named');
is(Wflows::Api::pointers($as{operador}->post($path, {})), '/button /text /to', 'what an interactive message needs');
is(Wflows::Api::pointers($as{operador}->post($path, { type => 'template', to => $phone, text => 'x', button => 'x', screen => 'X' })), '/button /language /screen /template_name /text', 'what a template needs, and has itself');
is(Wflows::Api::pointers($as{operador}->post($path, { %message, recipient => 'user.1', action => 'data_exchange', screen => 'FIRST', data => { day => 'x' } })), '/data /recipient /screen', 'what does not go together');
refused_with($as{operador}->post($path, \%message), 409, 'flow_not_published', 'a flow that is not at Meta');
$as{admin}->must('PATCH', "$base/whatsapp-accounts/$account->{id}", { access_token => $token });
$stack->ctl('key', 'register', '--company', 'acme', '--account', 'main');
my $meta_id = $as{gestor}->must('POST', "$base/flows/$flow->{id}/publish", { endpoint_uri => 'https://flows.invalid/x' })->{meta_flow_id};
refused_with($as{operador}->post($path, { %message, account_id => $acme->{accounts}{second}{id} }), 409, 'access_token_missing', 'an account without access token');
is(Wflows::Api::pointers($as{operador}->post($path, { %message, account_id => $other->{accounts}{main}{id} })), '/account_id', 'another company\'s account is not there');
refused_with($platform->as(role => 'admin', company => $other->{id})->post($path, \%message), 404, 'not_found', 'nor is the flow to another company');
is(send_steps(), 0, 'Meta was not asked to send');

# ---- sent -------------------------------------------------------------------------------------------------------

my $sent = status_is($as{operador}->post($path, { %message, header => 'Booking', footer => 'One minute', screen => 'FIRST', data => { day => '2026-03-01' }, token_ttl_seconds => 3600 }), 201, 'an interactive message');
my ($got) = $graph->messages;
is($sent->{message_id}, $got->{id}, 'Meta\'s id comes back');
is($got->{number}, $number, 'it went from the default account\'s number');
is_deeply({ map { $_ => $got->{$_} } qw(to type recipient_type interactive) }, { to => $phone, type => 'interactive', recipient_type => 'individual',
    interactive => { type => 'flow', header => { type => 'text', text => 'Booking' }, body => { text => 'Choose your slot' }, footer => { text => 'One minute' },
        action => { name => 'flow', parameters => { flow_message_version => '3', flow_id => $meta_id, flow_cta => 'Book now', flow_token => $sent->{flow_token},
            mode => 'published', flow_action => 'navigate', flow_action_payload => { screen => 'FIRST', data => { day => '2026-03-01' } } } } } }, 'as Meta wants it');
is($got->{biz_opaque_callback_data}, $sent->{id}, 'with our id, which its statuses name');
like($sent->{flow_token_expires_at}, qr/^\d{4}-.*Z$/, 'the token says how long it lives');
my $row = row($sent->{id});
is_deeply([@$row{qw(status message_id kind account_id flow_id hash error_code)}], ['sent', $sent->{message_id}, 'interactive', $account->{id}, $flow->{id}, sha256_hex($sent->{flow_token}), undef], 'it is kept');
unlike($json->encode($row), qr/\Q$_\E/, 'without the person and the token') for $phone, $sent->{flow_token};
is_deeply($dbh->selectcol_arrayref(q{select encode(token_hash, 'hex') from wflows.flow_messages where message_id = ?}, undef, $sent->{message_id}), [sha256_hex($sent->{flow_token})], 'and its id is known for answers');

status_is($as{operador}->post($path, { %message, action => 'data_exchange' }), 201, 'with data_exchange');
$got = ($graph->messages)[-1];
is_deeply([$got->{interactive}{action}{parameters}{flow_action}, exists $got->{interactive}{action}{parameters}{flow_action_payload}], ['data_exchange', ''], 'there is no payload');
status_is($as{operador}->post($path, { %message, screen => 'FIRST', data => {} }), 201, 'with empty data');
is_deeply(($graph->messages)[-1]{interactive}{action}{parameters}{flow_action_payload}, { screen => 'FIRST' }, 'which Meta would refuse');
my $r = status_is($as{operador}->post($path, { %template, to => undef, recipient => 'BR.user-1', button_index => 1, data => { day => '2026-03-01' }, components => [{ type => 'body', parameters => [{ type => 'text', text => 'Ana' }] }] }), 201, 'a template, to somebody without number');
$got = ($graph->messages)[-1];
is_deeply([$got->{recipient}, $got->{to}, $got->{template}], ['BR.user-1', undef, { name => 'book_slot', language => { code => 'pt_BR' }, components => [{ type => 'body', parameters => [{ type => 'text', text => 'Ana' }] },
    { type => 'button', sub_type => 'flow', index => '1', parameters => [{ type => 'action', action => { flow_token => $r->{flow_token}, flow_action_data => { day => '2026-03-01' } } }] }] }], 'as Meta wants it');

# ---- the token is bound -----------------------------------------------------------------------------------------------

answers($acme->client(flow => 'plain', account => 'main', token => $sent->{flow_token})->init, 'FIRST', 'the token opens the flow');
refused($acme->client(flow => 'plain', account => 'second', token => $sent->{flow_token})->init, 427, 'but not on another account');

# ---- the answer comes back by the message's id ----------------------------------------------------------------------------

my $hook = Wflows::Webhook->new(tenant => $acme);
sub nfm_reply { my ($context, $answers) = @_; return $hook->post($hook->messages($hook->reply($answers, context => $context)))->{status} == 200 }
ok(nfm_reply($sent->{message_id}, { day => 'Monday' }), 'an answer without its token is taken in');
is_deeply($dbh->selectrow_arrayref('select flow_name, session_id is not null from wflows.flow_responses where company_id = ? order by created_at desc limit 1', undef, $acme->{id}), ['plain', 1], 'and belongs to the session of the message');
ok(nfm_reply($r->{message_id}, { day => 'Tuesday' }), 'an answer of a flow that never asked the endpoint');
is_deeply($dbh->selectrow_arrayref('select flow_name, session_id is not null from wflows.flow_responses where company_id = ? order by created_at desc limit 1', undef, $acme->{id}), ['plain', 0], 'belongs to the flow that was sent');

# ---- once ---------------------------------------------------------------------------------------------------------------

my $count = send_steps();
my $first = status_is($as{operador}->post($path, \%message, key => 'order-1'), 201, 'with an Idempotency-Key');
my $again = $as{operador}->post($path, \%message, key => 'order-1');
is($again->{status}, 201, 'the same again');
is($again->{json}{message_id}, $first->{message_id}, 'is the same message');
is(send_steps(), $count + 1, 'which Meta got once');
isnt(status_is($as{gestor}->post($path, \%message, key => 'order-1'), 201, 'somebody else\'s key')->{message_id}, $first->{message_id}, 'is another one');

$graph->fail(message_send => (code => 131047, details => 'More than 24 hours have passed'));
$r = $as{operador}->post($path, \%message, key => 'order-2');
refused_with($r, 409, 'outside_customer_window', 'what Meta refuses');
is(row_of_key()->{status}, 'failed', 'is kept as failed');
$graph->fail('message_send');
is(row_of_key()->{error_code}, 'outside_customer_window', 'with the reason');

$count = send_steps();
$graph->fail(message_send => (drop => 1, after => 1));
refused_with($as{operador}->post($path, \%message, key => 'order-3'), 503, 'meta_unavailable', 'a Meta that does not answer');
$graph->fail('message_send');
is(row_of_key()->{status}, 'unknown', 'leaves it unknown');
is(send_steps(), $count + 1, 'Meta got it once');
$dbh->do('delete from wflows.idempotency_keys');
refused_with($as{operador}->post($path, \%message, key => 'order-3'), 409, 'send_unknown', 'and it is not sent a second time');
is(send_steps(), $count + 1, 'for that key');
$r = $as{operador}->post($path, \%message, key => 'order-1');
is_deeply([$r->{json}{message_id}, $r->{json}{repeated}, $r->{json}{flow_token}], [$first->{message_id}, 1, undef], 'a key whose reply is forgotten still finds its message');
is(status_is($as{operador}->post($path, \%message, key => 'order-2'), 201, 'what failed may be sent again')->{repeated}, 0, 'and is sent');
$graph->fail(message_send => (code => 131049, message => 'x'));
refused_with($as{operador}->post($path, \%message), 409, 'meta_refused', 'a refusal that we have no word for');
$graph->fail(message_send => (code => 132069, message => '(#132069) Flow throttled'));
refused_with($as{operador}->post($path, \%message), 503, 'meta_rate_limited', 'a throttled flow waits');
$graph->fail('message_send');

# ---- opted out -----------------------------------------------------------------------------------------------------------

sub opt_out { my ($contact, $category) = @_; $dbh->do('delete from wflows.opt_outs'); $dbh->do('insert into wflows.opt_outs (company_id, contact, category, source) values (?, ?, ?, ?)', undef, $acme->{id}, $contact, $category, 'test') }
$dbh->do("set app.tenant_id = '$acme->{id}'");
$count = send_steps();
opt_out($phone, 'all');
refused_with($as{operador}->post($path, $_), 409, 'opted_out', 'who wants nothing gets nothing') for \%message, \%template;
opt_out("+$phone", 'all');
refused_with($as{operador}->post($path, \%message), 409, 'opted_out', 'however the number is written');
opt_out($phone, 'marketing_messages');
refused_with($as{operador}->post($path, \%template), 409, 'opted_out', 'who wants no advertising gets no template');
refused_with($as{operador}->post($path, { %message, category => 'marketing' }), 409, 'opted_out', 'nor what is called so');
is(send_steps(), $count, 'Meta was not asked');
status_is($as{operador}->post($path, { %template, category => 'utility' }), 201, 'but what is something else');
status_is($as{operador}->post($path, \%message), 201, 'or an answer');
$dbh->do('update wflows.opt_outs set active = false');
status_is($as{operador}->post($path, \%template), 201, 'who took it back gets templates');

is_deeply([$graph->complaints], [], 'Meta has nothing to complain of');
my $audit = join("\n", map { $_->[0] } @{ $dbh->selectall_arrayref('select row_to_json(l)::text from wflows.audit_logs l') });
like($audit, qr/"action":"message.submitted"/, 'sending is audited');
unlike($audit, qr/\Q$_\E/, 'without person, token or secret') for $phone, $sent->{flow_token}, $token;
$graph->stop;
errlog_ok($stack, expect => ['WF0118', 'WF0660']);
done_testing();

sub row_of_key { return $dbh->selectrow_hashref('select * from wflows.sent_messages where send_key is not null order by created_at desc limit 1') }
