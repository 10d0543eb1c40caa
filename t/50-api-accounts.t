#!/usr/bin/perl
# /api/v2/companies/{id}/whatsapp-accounts: records with secrets that go in and never come out, versions, limits, keys
# that are for some accounts only, and what Meta is asked for.

use strict;
use warnings;
use lib 't/lib';

use Crypt::PK::RSA;
use File::Temp qw(tempdir);
use Test::More;
use Wflows::Api;
use Wflows::Flows qw(linear_flow);
use Wflows::Graph;
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok need start_stack);

need('pg', 'redis', 'httpd');
my $dir = tempdir(CLEANUP => 1);
my $token = 'EAAGaccesstoken0123456789';
my $graph = Wflows::Graph->start(dir => $dir, token => $token);
my $stack = start_stack(server_directives => $graph->directives);
my $dbh = $stack->dbh;
my $acme = Wflows::Tenant->add($stack, slug => 'acme', accounts => []);
my $other = Wflows::Tenant->add($stack, slug => 'other');
my $platform = Wflows::Api->new($stack);
my $serial = 0;
my %as = map { $_ => $platform->as(role => $_, company => $acme->{id}) } qw(admin gestor operador leitura);
my $path = "/companies/$acme->{id}/whatsapp-accounts";
my $other_path = "/companies/$other->{id}/whatsapp-accounts";

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

# ---- making ---------------------------------------------------------------------------------------------------

my %secrets = (access_token => $token, app_secret => 'the-app-secret-1', verify_token => 'the-verify-token-1', callback_secret => 'whsec_dGhlY2FsbGJhY2tzZWNyZXQ=');
$stack->{known_secrets}{$_} = $secrets{$_} for keys %secrets;
my %given = (name => 'Main', phone_number => '+55 11 5555-0100', phone_number_id => '71000000001', waba_id => '10000000001',
    status => 'pending_verification', default_flow_name => 'plain', callback_webhook_url => 'https://callback.invalid/hook',
    callback_event_types => ['flow_completed', 'message.*'], callback_timeout => 4000, callback_max_retries => 3, flow_endpoint_timeout => 2000,
    rate_limit_window_ms => 30000, rate_limit_max_requests => 100, settings => { a => { b => 1, c => 2 } }, features => { beta => 1 },
    key_rotation_scheduled_at => '2030-01-01T00:00:00Z');
my $made = $as{admin}->post($path, { %given, %secrets });
my $main = status_is($made, 201, 'an account is made');
is($made->{headers}{location}, "/api/v2$path/$main->{id}", 'Location says where it is');
ok($made->{etag}, 'it has a version');
is_deeply({ map { $_ => $main->{$_} } grep { $_ !~ /_at$/ } keys %given }, { map { $_ => $given{$_} } grep { $_ !~ /_at$/ } keys %given }, 'all members are as given');
like($main->{key_rotation_scheduled_at}, qr/^2030-01-01T00:00:00/, 'the scheduled rotation too');
is($main->{display_name}, 'Main', 'the display name is the name where none is given');
ok($main->{is_default}, 'the first account is the default one');
ok($main->{"has_$_"}, "has_$_ tells that it is set") for sort keys %secrets;
ok(!exists $main->{$_}, "$_ is not shown") for sort keys %secrets;
unlike($made->{body}, qr/\Q$_\E/, 'no secret is in the reply') for values %secrets;
is($main->{created_by}, 'token:test-admin', 'who made it is kept');
unlike($dbh->selectrow_array('select row_to_json(a)::text from wflows.whatsapp_accounts a where id = ?', undef, $main->{id}), qr/\Q$_\E/, 'nor in the row in clear') for values %secrets;

my $second = status_is($as{admin}->post($path, { name => 'Second', phone_number_id => '71000000002' }), 201, 'the least that an account needs');
is_deeply([@$second{qw(status is_default callback_timeout flow_endpoint_timeout rate_limit_window_ms rate_limit_max_requests callback_max_retries)}, $second->{settings}, $second->{callback_event_types}],
    ['active', Cpanel::JSON::XS::false, 5000, 2500, 60000, 600, undef, {}, ['flow_completed']], 'the rest has its defaults');
my $third = status_is($as{admin}->post($path, { name => 'Third', phone_number_id => '71000000003', is_default => Cpanel::JSON::XS::true }), 201, 'a new default account');
is(status_is($as{leitura}->get("$path/$main->{id}"), 200, 'a reader sees the one before')->{is_default}, 0, 'which is not the default any more');

my $bad = $as{admin}->post($path, { name => '', phone_number_id => 'x', waba_id => 1, status => 'on', callback_webhook_url => 'ftp://x/', callback_timeout => 1, callback_max_retries => 1.5,
    callback_event_types => ['A B'], settings => [], features => 'x', access_token => '', is_default => 'yes', colour => 'red', display_name => undef, key_rotation_scheduled_at => 'soon' });
refused_with($bad, 422, 'invalid', 'a bad account is refused');
is(Wflows::Api::pointers($bad), join(' ', map { "/$_" } sort qw(name phone_number_id waba_id status callback_webhook_url callback_timeout callback_max_retries callback_event_types settings
    features access_token is_default colour display_name key_rotation_scheduled_at)), 'every bad member is named, all at once');
is(Wflows::Api::pointers($as{admin}->post($path, {})), '/name /phone_number_id', 'as is what is missing');
refused_with($as{admin}->post($path, { name => 'Main', phone_number_id => '71000000009' }), 409, 'name_taken', 'a name that is taken');
refused_with($as{admin}->post($path, { name => 'Fourth', phone_number_id => '71000000001' }), 409, 'phone_number_id_taken', 'a number that is taken');
status_is($platform->post($other_path, { name => 'Main', phone_number_id => '71000000001' }), 201, 'in another company both are free');
$stack->ctl('company', 'set', 'other', '--max-accounts', '2');
refused_with($platform->post($other_path, { name => 'Third', phone_number_id => '71000000005' }), 409, 'limit_reached', 'the limit of the company holds');

# ---- reading --------------------------------------------------------------------------------------------------

my $list = status_is($as{leitura}->get($path), 200, 'the list');
is_deeply([map { $_->{name} } @{ $list->{data} }], [qw(Third Second Main)], 'newest first');
is_deeply([map { $_->{name} } @{ $as{leitura}->get($path, query => { sort => 'name' })->{json}{data} }], [qw(Main Second Third)], 'or by name');
is_deeply([map { $_->{name} } @{ $as{leitura}->get($path, query => { status => 'pending_verification' })->{json}{data} }], ['Main'], 'of one status');
is_deeply([map { $_->{name} } @{ $as{leitura}->get($path, query => { is_default => 'true' })->{json}{data} }], ['Third'], 'the default one');
my $page = $as{leitura}->get($path, query => { limit => 2, sort => 'created_at' })->{json};
is_deeply([map { $_->{name} } @{ $page->{data} }], [qw(Main Second)], 'a page');
$page = $as{leitura}->get($path, query => { limit => 2, sort => 'created_at', cursor => $page->{next_cursor} })->{json};
is_deeply([[map { $_->{name} } @{ $page->{data} }], $page->{next_cursor}], [['Third'], undef], 'and the next, which is the last');
is(Wflows::Api::pointers($as{leitura}->get($path, query => { status => 'x', limit => 0, sort => 'x', is_default => 1 })), '?is_default ?limit ?sort ?status', 'a bad query is told of, all of it');
is(Wflows::Api::pointers($as{leitura}->get($path, query => { accounts => '{}', q => 1 })), '?accounts ?q', 'and what is not known');
my $got = $as{leitura}->get("$path/$main->{id}");
is($got->{etag}, $as{leitura}->get("$path/$main->{id}")->{etag}, 'a version stays while nothing changes');
is($as{leitura}->get("$path/$main->{id}", headers => { 'if-none-match' => $got->{etag} })->{status}, 304, 'and need not be sent again');
refused_with($as{leitura}->get("$path/$other->{accounts}{main}{id}"), 404, 'not_found', 'another company\'s account is not there');
refused_with($as{admin}->get("$other_path/$other->{accounts}{main}{id}"), 404, 'not_found', 'nor is its company');
refused_with($as{leitura}->get("$path/Main"), 404, 'not_found', 'a name is no id');
my $lookalike = '01a20514-0000-7000-8000-000000000001';
status_is($as{admin}->patch("$path/$second->{id}", { name => $lookalike }), 200, 'a name may look like an id');
refused_with($as{leitura}->get("$path/$lookalike"), 404, 'not_found', 'and finds nothing');

# ---- changing -------------------------------------------------------------------------------------------------

$got = $as{leitura}->get("$path/$main->{id}");
my $r = $as{gestor}->patch("$path/$main->{id}", { settings => { a => { c => undef }, d => 3 }, callback_max_retries => undef, display_name => 'Matriz' }, if_match => $got->{etag}, type => 'application/merge-patch+json');
my $doc = status_is($r, 200, 'a patch');
is_deeply([@$doc{qw(settings callback_max_retries display_name callback_timeout)}], [{ a => { b => 1 }, d => 3 }, undef, 'Matriz', 4000], 'is merged (RFC 7396)');
isnt($r->{etag}, $got->{etag}, 'and makes a new version');
refused_with($as{gestor}->patch("$path/$main->{id}", { display_name => 'X' }, if_match => $got->{etag}), 412, 'precondition_failed', 'an old version changes nothing');
refused_with($as{gestor}->put("$path/$main->{id}", { name => 'Main', phone_number_id => '71000000001' }), 428, 'precondition_required', 'a PUT says which version it replaces');
refused_with($as{gestor}->put("$path/$main->{id}", { name => 'Main', phone_number_id => '71000000001' }, if_match => $got->{etag}), 412, 'precondition_failed', 'and not an old one');
is(Wflows::Api::pointers($as{gestor}->put("$path/$main->{id}", { colour => 1, id => $main->{id} }, if_match => $r->{etag})), '/colour /id /name /phone_number_id', 'a PUT has all that is needed and nothing else');
$r = $as{gestor}->put("$path/$main->{id}", { name => 'Main', phone_number_id => '71000000001', waba_id => '10000000001', status => 'pending_verification' }, if_match => $r->{etag});
$doc = status_is($r, 200, 'a PUT');
is_deeply([@$doc{qw(display_name settings callback_timeout callback_webhook_url default_flow_name phone_number rate_limit_max_requests key_rotation_scheduled_at)}],
    ['Main', {}, 5000, undef, undef, undef, 600, undef], 'puts what it does not name back to its default');
ok($doc->{has_access_token} && $doc->{has_app_secret}, 'but for the secrets, which nobody could send back');
refused_with($as{gestor}->patch("$path/$main->{id}", { app_secret => 'another' }), 403, 'credentials_need_admin', 'credentials need an admin');
status_is($as{admin}->patch("$path/$main->{id}", { app_secret => 'the-app-secret-2', verify_token => undef }), 200, 'who sets one and takes another away');
$stack->{known_secrets}{'app secret 2'} = 'the-app-secret-2';
$doc = $as{leitura}->get("$path/$main->{id}")->{json};
is_deeply([@$doc{qw(has_app_secret has_verify_token)}, !!$doc->{previous_secret_until}], [1, 0, 1], 'the old app secret has its window');
refused_with($as{admin}->patch("$path/$main->{id}", { is_default => Cpanel::JSON::XS::true }), 422, 'invalid', 'the default is not set by a patch');
status_is($as{gestor}->post("$path/$main->{id}/set-default"), 200, 'but so');
is_deeply([map { $_->{name} } @{ $as{leitura}->get($path, query => { is_default => 'true' })->{json}{data} }], ['Main'], 'and it is the one');
refused_with($as{$_}->patch("$path/$main->{id}", { display_name => 'X' }), 403, 'forbidden', "$_ changes nothing") for qw(operador leitura);
refused_with($as{gestor}->post($path, { name => 'N', phone_number_id => '71000000007' }), 403, 'forbidden', 'a gestor makes no account');
refused_with($as{gestor}->delete("$path/$third->{id}"), 403, 'forbidden', 'and removes none');
refused_with($platform->as_nobody->get($path), 401, 'unauthorized', 'nobody sees nothing');
status_is($as{admin}->delete("$path/$third->{id}"), 204, 'removed');
refused_with($as{admin}->get("$path/$third->{id}"), 404, 'not_found', 'and gone');
refused_with($as{admin}->delete("$path/$third->{id}"), 404, 'not_found', 'once');
status_is($as{admin}->post($path, { name => 'Third', phone_number_id => '71000000003' }), 201, 'name and number are free again');

# ---- at Meta ----------------------------------------------------------------------------------------------------

$graph->add_number('71000000001', waba => '10000000001', fields => { code_verification_status => 'NOT_VERIFIED' });
is(status_is($as{gestor}->post("$path/$main->{id}/verify"), 200, 'verify')->{verification_status}, 'not_verified', 'keeps what Meta says');
is($as{leitura}->get("$path/$main->{id}")->{json}{status}, 'pending_verification', 'which does not make it active');
$graph->add_number('71000000001', waba => '10000000001');
$doc = status_is($as{gestor}->post("$path/$main->{id}/verify"), 200, 'verify again');
is_deeply([@$doc{qw(verification_status status)}, !!$doc->{last_verified_at}], ['verified', 'active', 1], 'a verified number is active');
refused_with($as{gestor}->post("$path/$second->{id}/verify"), 409, 'access_token_missing', 'without an access token Meta is not asked');
refused_with($as{admin}->post("$path/$main->{id}/register-key"), 409, 'key_missing', 'there is no key to register');

sub checks { my ($doc) = @_; return { map { $_->{name} => $_->{ok} } @{ $doc->{checks} } } }
$doc = status_is($as{operador}->post("$path/$main->{id}/test-connection"), 200, 'test-connection');
is_deeply([$doc->{ok}, checks($doc)], [0, { token => 1, number => 1, waba => 1, webhooks => 1, key => 0 }], 'all is well but the key');
refused_with($as{gestor}->post("$path/$main->{id}/rotate-keys"), 403, 'forbidden', 'a gestor does not rotate keys');
is(Wflows::Api::pointers($as{admin}->post("$path/$main->{id}/rotate-keys", { overlap_seconds => -1, key => 'x' })), '/key /overlap_seconds', 'a bad rotation is told of');
$doc = status_is($as{admin}->post("$path/$main->{id}/rotate-keys"), 200, 'rotate-keys makes the first key');
is($doc->{public_key}, $graph->number('71000000001')->{public_key}, 'and Meta has it');
my $first = $doc->{public_key};
is(status_is($as{operador}->post("$path/$main->{id}/test-connection"), 200, 'test-connection again')->{ok}, 1, 'all is well');
$graph->fail(key_upload => (code => 190, message => "Malformed access token $token"));
$r = $as{admin}->post("$path/$main->{id}/rotate-keys", { overlap_seconds => 3600 });
refused_with($r, 409, 'meta_token_invalid', 'what Meta refuses is a conflict');
like($r->{json}{detail}, qr/^Meta: Malformed access token \[redacted\] \(code 190\)$/, 'in Meta\'s words, without the token');
$graph->fail(key_upload => (drop => 1));
refused_with($as{admin}->post("$path/$main->{id}/rotate-keys"), 503, 'meta_unavailable', 'a Meta that does not answer is an outage');
$graph->fail('key_upload');
refused_with($as{admin}->post("$path/$main->{id}/rotate-keys", {}, if_match => '"old"'), 412, 'precondition_failed', 'If-Match holds here too');
$doc = status_is($as{admin}->post("$path/$main->{id}/rotate-keys", { overlap_seconds => 3600 }, if_match => $as{admin}->get("$path/$main->{id}")->{etag}), 200, 'rotated');
isnt($doc->{public_key}, $first, 'the key is a new one');

$graph->fail(debug_token => (drop => 1));
$doc = status_is($as{operador}->post("$path/$main->{id}/test-connection"), 200, 'a connection test without Meta is no failure');
is_deeply(checks($doc), { token => 0, number => undef, waba => undef, webhooks => undef, key => undef }, 'the rest is not tried');
$graph->fail('debug_token');
$graph->fail(number_read => (code => 100, message => 'Unsupported get request'));
$doc = $as{operador}->post("$path/$main->{id}/test-connection")->{json};
is_deeply(checks($doc), { token => 1, number => 0, waba => 1, webhooks => 1, key => 1 }, 'a check that Meta refuses is one that failed');
$graph->fail('number_read');

my $pair = Crypt::PK::RSA->new;
$pair->generate_key(256, 65537);
my $pem = $pair->export_key_pem('private', 'kreuzgang-9412', 'AES-256-CBC');
is(Wflows::Api::pointers($as{admin}->post("$path/$main->{id}/import-key", { passphrase => 'x' })), '/private_key', 'import-key needs a key');
is(Wflows::Api::pointers($as{admin}->post("$path/$main->{id}/import-key", { private_key => 'x' })), '/private_key', 'that is one');
is(Wflows::Api::pointers($as{admin}->post("$path/$main->{id}/import-key", { private_key => $pem, passphrase => 'wrong' })), '/passphrase', 'with its passphrase');
$doc = status_is($as{admin}->post("$path/$main->{id}/import-key", { private_key => $pem, passphrase => 'kreuzgang-9412', overlap_seconds => 60 }), 200, 'imported');
is($doc->{public_key} =~ s/\s//gr, $pair->export_key_pem('public_x509') =~ s/\s//gr, 'it is that key');
is(status_is($as{admin}->post("$path/$main->{id}/register-key"), 200, 'registered')->{matches}, 1, 'and Meta has it');
$stack->ctl('flow', 'add', 'plain', '--company', 'acme', '--flow-json', $acme->file('plain.json', linear_flow(['FIRST', 'SECOND'])));
$acme->{accounts}{main} = { id => $main->{id}, app_secret => 'the-app-secret-2', public_key => $graph->number('71000000001')->{public_key} };
answers($acme->client(flow => 'plain', token => 'tok-1')->init, 'FIRST', 'the endpoint answers with the key that Meta has');

# ---- keys of some accounts only ------------------------------------------------------------------------------------

sub make_key {
    my ($scopes, @accounts) = @_;
    my $made = $as{admin}->must('POST', "/companies/$acme->{id}/api-keys", { name => "k@{[++$serial]}", scopes => $scopes, whatsapp_account_ids => \@accounts });
    return $platform->as_key($made->{key});
}
my $key = make_key(['read:accounts', 'write:accounts'], $second->{id});
is_deeply([map { $_->{id} } @{ status_is($key->get($path), 200, 'a key of one account lists')->{data} }], [$second->{id}], 'that one');
status_is($key->get("$path/$second->{id}"), 200, 'reads it');
status_is($key->patch("$path/$second->{id}", { display_name => 'By key' }), 200, 'changes it');
refused_with($key->get("$path/$main->{id}"), 404, 'not_found', 'and does not see the others');
refused_with($key->post("$path/$main->{id}/$_"), 404, 'not_found', "nor $_ them") for qw(rotate-keys verify test-connection set-default register-key);
refused_with($key->delete("$path/$main->{id}"), 404, 'not_found', 'nor removes them');
refused_with($key->post($path, { name => 'New', phone_number_id => '71000000008' }), 403, 'key_of_accounts', 'nor makes new ones');
refused_with(make_key(['read:flows'])->get($path), 403, 'forbidden', 'a key without the scope sees none');

is_deeply([$graph->complaints], [], 'Meta has nothing to complain of');
my $audit = join("\n", map { $_->[0] } @{ $dbh->selectall_arrayref('select row_to_json(l)::text from wflows.audit_logs l') });
unlike($audit, qr/\Q$_\E/, 'no secret is in an audit row') for values %secrets, 'the-app-secret-2', 'kreuzgang-9412';
like($audit, qr/"action":"$_"/, "$_ is audited") for qw(account.created account.updated account.deleted account.default_set account.verified account.key_rotated account.key_rotation_failed);
$stack->{known_secrets}{passphrase} = 'kreuzgang-9412';
$graph->stop;
errlog_ok($stack, ignore => ['WF0118'], expect => ['WF0118']);
done_testing();
