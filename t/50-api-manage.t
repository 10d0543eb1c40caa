#!/usr/bin/perl
# /api/v2: what a company manages beside its traffic: integrations, feature flags, opt-outs; what is counted, first
# steps, the cache.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use HTTP::Tiny;
use Test::More;
use Wflows::Api;
use Wflows::Process qw(wait_until);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok need start_stack);

need('pg', 'redis', 'httpd');

my $stack = start_stack();
my $platform = Wflows::Api->new($stack);
my $acme = Wflows::Tenant->add($stack, slug => 'acme', flows => { booking => ['demo/appointment.json', 'demo/appointment.logic.json'] });
my $beta = $platform->must('POST', '/companies', { slug => 'beta', name => 'Beta' })->{id};
my $id = $acme->{id};
my $gestor = $platform->as(role => 'gestor', company => $id);
my $operador = $platform->as(role => 'operador', company => $id);
my $leitura = $platform->as(role => 'leitura', company => $id);
my $of_beta = $platform->as(role => 'gestor', company => $beta);
my ($true, $false) = (Cpanel::JSON::XS::true, Cpanel::JSON::XS::false);
my $dbh = $stack->dbh;

sub one { my ($sql, @bind) = @_; return scalar $dbh->selectrow_array($sql, undef, @bind) }
sub pointers { return Wflows::Api::pointers(@_) }

# ---- integrations -------------------------------------------------------------------------------------------------

my $secret = 'sk-very-secret-0123456789';
$stack->{known_secrets}{'key of the integration'} = $secret;
my $in = "/companies/$id/integrations";
my $r = $gestor->post($in, { kind => 'openai', name => 'Assistant', config => { model => 'm-1', api_key => $secret } });
is($r->{status}, 201, 'an integration is set up') or diag($r->{body});
my $one = $r->{json}{id};
is($r->{headers}{location}, "/api/v2$in/$one", 'the reply says where it is');
is_deeply($r->{json}{config}, { model => 'm-1', has_api_key => $true }, 'a secret is shown by its being there');
is($r->{json}{enabled}, $true, 'it is enabled');
like(one('SELECT secret FROM wflows.integrations WHERE id = ?', $one), qr/^wf1:/, 'the secret is sealed');
is(one(q{SELECT count(*) FROM wflows.audit_logs WHERE coalesce(new_values::text, '') || coalesce(old_values::text, '') LIKE '%very-secret%'}), 0, 'the audit log has it not');
$r = $gestor->patch("$in/$one", { config => { model => undef, organization => 'acme' } }, if_match => $r->{etag});
is_deeply([$r->{status}, $r->{json}{config}], [200, { organization => 'acme', has_api_key => $true }], 'a configuration is merged, its secrets stay');
my $changed = $r->{json}{secrets_changed_at};
$r = $gestor->patch("$in/$one", { config => { api_key => "$secret-2" } });
isnt($r->{json}{secrets_changed_at}, $changed, 'a new secret is told by its time');
is(one('SELECT count(*) FROM wflows.audit_logs WHERE company_id = ? AND action = ?', $id, 'integration.updated'), 2, 'and audited');
$r = $gestor->put("$in/$one", { name => 'Assistant', enabled => $false });
is_deeply([@{ $r->{json} }{qw(config enabled)}], [{ has_api_key => $true }, $false], 'a replacement leaves secrets that it does not name');
$r = $gestor->patch("$in/$one", { config => { api_key => undef } });
is_deeply($r->{json}{config}, {}, 'null takes one away');
is(one('SELECT secret FROM wflows.integrations WHERE id = ?', $one), undef, 'wholly');
is($gestor->patch("$in/$one", { name => 'X' }, if_match => '"0"')->{status}, 412, 'If-Match is minded');
is(pointers($gestor->patch("$in/$one", { kind => 'gmail', config => { url => 'x', model => 5 } })), '/config/model /config/url /kind', 'each kind has its own members');
is(pointers($gestor->post($in, { kind => 'fax', name => '' })), '/kind /name', 'a kind is one of those that are known');
is(pointers($gestor->post($in, { kind => 'webhook', name => 'W', config => { url => 'ftp://x', secret => 7, event_types => ['Not One'] } })),
    '/config/event_types /config/secret /config/url', 'a configuration is checked');
is(pointers($gestor->post($in, { kind => 'whatsapp_evolution', name => 'E' })), '/config/base_url /config/instance_name', 'what a kind needs is asked for');
is($gestor->post($in, { kind => 'openai', name => 'Assistant' })->{json}{code}, 'name_taken', 'a name is taken once for each kind');
$r = $gestor->post($in, { kind => 'custom', name => 'ERP', config => { anything => { goes => [1] }, secrets => { token => $secret } } });
is_deeply($r->{json}{config}, { anything => { goes => [1] }, has_secrets => $true }, 'a custom one is free, and its secrets are sealed');
is(join(' ', map { $_->{name} } @{ $leitura->get($in, query => { sort => 'created_at' })->{json}{data} }), 'Assistant ERP', 'they are listed');
is(join(' ', map { $_->{name} } @{ $leitura->get($in, query => { kind => 'custom' })->{json}{data} }), 'ERP', 'by kind');
unlike($leitura->get($in)->{body}, qr/very-secret/, 'without secrets');
is($leitura->post($in, { kind => 'openai', name => 'N' })->{status}, 403, 'a reader sets none up');
is($of_beta->get("/companies/$beta/integrations/$one")->{status}, 404, 'another company has no such integration');
is($of_beta->patch("/companies/$beta/integrations/$one", { name => 'Mine' })->{status}, 404, 'and cannot change it');
is($of_beta->delete("/companies/$beta/integrations/$one")->{status}, 404, 'or take it away');
is($of_beta->get($in)->{status}, 404, 'nor look there');
is($gestor->delete("$in/$one")->{status}, 204, 'an integration is taken away');
is($gestor->get("$in/$one")->{status}, 404, 'and gone');

# ---- feature flags ---------------------------------------------------------------------------------------------------

my $flags = "/companies/$id/feature-flags";
$r = $gestor->put("$flags/new.checkout", { enabled => $true, value => { percent => 10 } });
is_deeply([$r->{status}, @{ $r->{json} }{qw(name enabled value)}], [201, 'new.checkout', $true, { percent => 10 }], 'a feature flag is set');
is($gestor->put("$flags/new.checkout", { enabled => $false })->{json}{value}, undef, 'and set anew');
is_deeply([map { $_->{name} } @{ $leitura->get($flags)->{json}{data} }], ['new.checkout'], 'all are listed');
is(pointers($gestor->put("$flags/x", { value => 'y' x 5000, colour => 1 })), '/colour /enabled /value', 'a flag is checked');
is($gestor->put("$flags/Not%20A%20Flag", { enabled => $true })->{status}, 404, 'a flag has a name');
is($of_beta->get("/companies/$beta/feature-flags/new.checkout")->{status}, 404, 'of its own company');
is($gestor->delete("$flags/new.checkout")->{status}, 204, 'a flag is taken away');
is($gestor->delete("$flags/new.checkout")->{status}, 404, 'once');

# ---- opt-outs ----------------------------------------------------------------------------------------------------------

my $outs = "/companies/$id/opt-outs";
$r = $operador->post($outs, { contact => '+55 (11) 4002-8922', reason => 'by telephone' });
is_deeply([$r->{status}, @{ $r->{json} }{qw(contact category source active)}], [201, '551140028922', 'all', 'api', $true], 'somebody opts out, known as WhatsApp knows them');
my $out = $r->{json}{id};
is($operador->post($outs, { contact => '551140028922' })->{json}{id}, $out, 'twice is once');
is($operador->delete("$outs/$out")->{status}, 204, 'it is taken back');
is($operador->get("$outs/$out")->{json}{active}, $false, 'and kept as that');
is(pointers($operador->post($outs, { contact => "two words", category => 'X', reason => '' })), '/category /contact /reason', 'an opt-out is checked');
is($leitura->get($outs)->{status}, 403, 'people are not for every reader');
is($of_beta->get("/companies/$beta/opt-outs/$out")->{status}, 404, 'another company has them not');

my $csv = "\xef\xbb\xbfreason,contact,category\r\n\"said \"\"stop\"\", loudly\",+55 11 9999-0001,marketing\r\n,551199990002\r\n,two words,\r\n,551199990003,Bad Category\r\n"
    . "\"open,551199990004\r\n\r\n" . 'x' x 5000 . ",1\r\n,\xff\r\n,551140028922,all\r\n,551199990001,marketing";
$r = $operador->post("$outs/import", $csv, type => 'text/csv; charset=utf-8');
is($r->{status}, 200, 'a file is imported') or diag($r->{body});
is_deeply([@{ $r->{json} }{qw(lines added updated unchanged failed)}], [11, 2, 1, 1, 5], 'what became of its lines is told');
is(join(' ', map { $_->{line} } @{ $r->{json}{errors} }), '4 5 6 8 9', 'those that are wrong are named');
is(one(q{SELECT reason FROM wflows.opt_outs WHERE contact = '5511' || '99990001' AND category = 'marketing'}), 'said "stop", loudly', 'quotes are read');
is($operador->get("$outs/$out")->{json}{active}, $true, 'who was back is out again');
is($operador->post("$outs/import", "name,phone\nx,1\n", type => 'text/csv')->{status}, 422, 'a file needs its head line');
is($operador->post("$outs/import", '', type => 'text/csv')->{status}, 422, 'an empty one has none');
is($operador->post("$outs/import", '{}')->{status}, 415, 'it is CSV');
my $many = "contact\n" . join('', map { 5_521_900_000_000 + $_ . "\n" } 1 .. 20_000);
$r = $operador->post("$outs/import", $many, type => 'text/csv');
is($r->{json}{added}, 20_000, 'a long file is imported');
is($operador->post("$outs/import", $many, type => 'text/csv')->{json}{unchanged}, 20_000, 'again it changes nothing');
is(one('SELECT count(*) FROM wflows.audit_logs WHERE company_id = ? AND action = ?', $id, 'opt_out.imported'), 3, 'imports are audited, by their counts');
$r = $operador->get($outs, query => { limit => 100 });
is(scalar @{ $r->{json}{data} }, 100, 'the list has pages');
isnt($operador->get($outs, query => { limit => 100, cursor => $r->{json}{next_cursor} })->{json}{data}[0]{id}, $r->{json}{data}[0]{id}, 'that go on');
is(scalar @{ $operador->get($outs, query => { contact => '551199990001', active => 'true' })->{json}{data} }, 1, 'somebody is looked up');

# ---- first steps, counts -----------------------------------------------------------------------------------------------

my %steps = map { $_->{step} => $_->{done} } @{ $platform->get("/companies/$beta/onboarding")->{json}{steps} };
is_deeply(\%steps, { map { $_ => $false } qw(number_connected key_registered webhook_verified first_flow_active first_exchange first_callback) }, 'a new company has done nothing');
sub steps { return join(' ', map { $_->{step} } grep { $_->{done} } @{ $leitura->get("/companies/$id/onboarding")->{json}{steps} }) }
is(steps(), 'key_registered first_flow_active', 'what is there counts as done');
answers($acme->client(flow => 'booking', token => 'first')->init, 'CHOOSE_SERVICE', 'an exchange');
is(steps(), 'key_registered first_flow_active first_exchange', 'is a step');
$stack->ctl('account', 'set', 'main', '--company', 'acme', { 'access-token' => 'EAAtoken-of-acme', 'verify-token' => 'verify-me-please' });
my $hook = $stack->httpd->url('/company/acme/webhooks/whatsapp?hub.mode=subscribe&hub.challenge=12345&hub.verify_token=');
is(HTTP::Tiny->new->get($hook . 'wrong')->{status}, 403, 'a handshake with another token');
is(steps(), 'number_connected key_registered first_flow_active first_exchange', 'is none');
is(HTTP::Tiny->new->get($hook . 'verify-me-please')->{content}, '12345', 'one with the right token');
is(steps(), 'number_connected key_registered webhook_verified first_flow_active first_exchange', 'is a step');
$dbh->do(q{INSERT INTO wflows.outbox (company_id, id, consumer, event_type, payload, idempotency_key, status, done_at)
    VALUES (?, gen_random_uuid(), 'callback', 'flow_completed', '{}', 'k', 'done', now())}, undef, $id);
$r = $leitura->get("/companies/$id/onboarding");
is($r->{json}{complete}, $true, 'all steps make it complete');

$r = $leitura->get("/companies/$id/statistics");
is($r->{status}, 200, 'statistics') or diag($r->{body});
my $s = $r->{json};
is_deeply([@$s{qw(whatsapp_accounts flows sessions responses)}], [{ total => 1, active => 1 }, { total => 1, active => 1 },
    { total => 1, active => 1, completed => 0, cancelled => 0, expired => 0 }, 0], 'count what there is');
is($s->{opt_outs}, 20_003, 'opt-outs too');
ok($s->{last_activity_at}, 'and when it was used last');
is($of_beta->get("/companies/$id/statistics")->{status}, 404, 'another company sees none of it');
is($leitura->get("/companies/$id/statistics?deep=1")->{status}, 422, 'a parameter that is not known');

ok(wait_until(15, sub { (one('SELECT n FROM wflows.usage_days WHERE company_id = ? AND metric = ?', $id, 'flow_exchange') // 0) == 1 }), 'exchanges are counted by day');
$r = $leitura->get("/companies/$id/usage");
is_deeply([map { $_->{metrics}{flow_exchange} } @{ $r->{json}{data} }], [1], 'usage by month');
$r = $leitura->get("/companies/$id/usage", query => { by => 'day' });
is_deeply([map { [$_->{period}, $_->{metrics}{flow_exchange}] } @{ $r->{json}{data} }], [[$r->{json}{to}, 1]], 'and by day');
is_deeply($leitura->get("/companies/$id/usage", query => { from => '2020-01', to => '2020-12' })->{json}{data}, [], 'of a time when there was none');
is($leitura->get("/companies/$id")->{json}{current_monthly_messages}, 1, 'the company shows the month\'s');
for my $case ([{ by => 'week' }, '?by'], [{ from => '2020' }, '?from'], [{ by => 'day', from => '2020-13-01' }, '?from'],
    [{ from => '2021-01', to => '2020-01' }, '?from'], [{ by => 'day', from => '2020-01-01', to => '2022-01-01' }, '?from'], [{ to => 'x' }, '?to']) {
    is(pointers($leitura->get("/companies/$id/usage", query => $case->[0])), $case->[1], 'a range that is none: ' . join(' ', %{ $case->[0] }));
}

# ---- cache ---------------------------------------------------------------------------------------------------------------

sub keys_of { return join(' ', sort map { /:(ctx:default|flow:\w+)$/ ? $1 : () } $stack->redis->client->keys('wf:{acme}:*')) }
is(keys_of(), 'ctx:default flow:booking', 'what was used is cached');
is_deeply($gestor->post("/companies/$id/cache/clear")->{json}, { accounts => 1, flows => 1 }, 'a cache is cleared');
is(keys_of(), '', 'of contexts and plans');
is_deeply($gestor->post("/companies/$id/cache/warm")->{json}, { accounts => 1, flows => 1 }, 'and warmed');
is(keys_of(), 'ctx:default flow:booking', 'with them');
is($operador->post("/companies/$id/cache/clear")->{status}, 403, 'not by everybody');

# A plan's limits are cached with its companies.
$platform->must('PUT', '/plans/enterprise', { max_monthly_messages => 1 });
ok(wait_until(20, sub { $acme->client(flow => 'booking', token => 'second')->init->{status} == 429 }), 'a plan\'s new limit is felt');

errlog_ok($stack, expect => ['WF0442']);
done_testing();
