#!/usr/bin/perl
# /api/v2: companies from sign-up to removal, their settings and plans, what is counted and shown of them.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Test::More;
use Wflows::Api;
use Wflows::Process qw(read_file wait_until);
use Wflows::Tenant;
use Wflows::Test qw(errlog_ok need start_stack);

need('pg', 'redis', 'httpd');

my $stack = start_stack();
my $platform = Wflows::Api->new($stack);
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $password = 'correct horse battery';
$stack->{known_secrets}{'password of the owner'} = $password;
my $dbh = $stack->dbh;

sub one { my ($sql, @bind) = @_; return scalar $dbh->selectrow_array($sql, undef, @bind) }

# ---- sign-up ----------------------------------------------------------------------------------------------------

my $r = $platform->post('/companies', { slug => 'acme', name => 'Acme Ltda', email => 'ops@acme.example',
    trial_days => 14, settings => { session_ttl => 600 }, metadata => { crm => 7 },
    owner => { email => 'Ana@acme.example', name => 'Ana', password => $password } });
is($r->{status}, 201, 'a company signs up') or diag($r->{body});
my $acme = $r->{json};
my $id = $acme->{id};
is($r->{headers}{location}, "/api/v2/companies/$id", 'the reply says where it is');
is($acme->{status}, 'active', 'it works at once');
is($acme->{subscription_plan}, 'starter', 'on the plan of new companies');
is($acme->{current_monthly_messages}, 0, 'nothing is counted yet');
like($acme->{trial_ends_at}, qr/^\d{4}-\d\d-\d\dT/, 'its trial has an end');
is(one(q{SELECT round(extract(epoch FROM trial_ends_at - now()) / 86400) FROM wflows.companies WHERE id = ?}, $id), 14, 'in 14 days');
is_deeply($dbh->selectrow_arrayref('SELECT email, name, role, status FROM wflows.users WHERE company_id = ?', undef, $id),
    ['Ana@acme.example', 'Ana', 'admin', 'active'], 'its owner is there, as its administrator');
unlike($r->{body}, qr/\Q$password\E|argon2/, 'the reply has neither the password nor its hash');
is(one('SELECT count(*) FROM wflows.data_keys WHERE company_id = ?', $id), 1, 'it has a data key');
is_deeply([map { $_->[0] } @{ $dbh->selectall_arrayref('SELECT action FROM wflows.audit_logs WHERE company_id = ? ORDER BY seq', undef, $id) }],
    ['company.created', 'user.created'], 'both are in its audit log');
is(one(q{SELECT count(*) FROM wflows.audit_logs WHERE new_values::text LIKE '%horse%' OR new_values::text LIKE '%argon2%'}), 0,
    'which has no password');
is($platform->get("/companies/$id")->{json}{slug}, 'acme', 'it can be read');

$r = $platform->post('/companies', { slug => 'Bad Slug', email => 'nobody', max_flows => -1, colour => 'red', trial_days => 400,
    settings => { session_ttl => 1, tint => 'red', rate_limit => { max_requests => 'many' } },
    owner => { email => 'x', password => 'short', role => 'admin' } });
is($r->{status}, 422, 'what is wrong with a sign-up is 422');
is(Wflows::Api::pointers($r), '/colour /email /max_flows /name /owner/email /owner/name /owner/password /owner/role'
    . ' /settings/rate_limit/max_requests /settings/session_ttl /settings/tint /slug /trial_days', 'all of it at once, each by its pointer');
$r = $platform->post('/companies', { slug => 'acme', name => 'Other', owner => { email => 'o@other.example', name => 'O' } });
is("$r->{status} $r->{json}{code}", '409 slug_taken', 'a slug that is taken is a conflict by name');
is(Wflows::Api::pointers($r), '/slug', 'which points to it');
is(one(q{SELECT count(*) FROM wflows.users WHERE email = 'o@other.example'}), 0, 'and nothing of it is left');
$r = $platform->post('/companies', { slug => 'second', name => 'Second', owner => { email => 'ana@ACME.example', name => 'Ana', password => 'another password' } });
is("$r->{status} $r->{json}{code} " . Wflows::Api::pointers($r), '409 owner_known /owner/password', 'who is known gets no second password');
is(one(q{SELECT count(*) FROM wflows.companies WHERE slug = 'second'}), 0, 'and the company is not made');
my $second = $platform->must('POST', '/companies', { slug => 'second', name => 'Second', owner => { email => 'ana@acme.example', name => 'Ana' } });
is(one('SELECT count(DISTINCT (id, password_hash)) FROM wflows.users WHERE lower(email) = ?', 'ana@acme.example'), 1,
    'a person of two companies is one, with one password');
$r = $platform->post('/companies', { slug => 'planless', name => 'P', subscription_plan => 'platinum' });
is("$r->{status} " . Wflows::Api::pointers($r), '422 /subscription_plan', 'a plan that is not known is named');

# ---- reading and changing ------------------------------------------------------------------------------------------

my $admin = $platform->as(role => 'admin', company => $id);
my $other = $second->{id};
$r = $admin->get("/companies/$id");
is($r->{status}, 200, 'its administrator sees it');
my $etag = $r->{etag};
ok($etag, 'with a version');
is($admin->get("/companies/$id", headers => { 'if-none-match' => $etag })->{status}, 304, 'which need not be sent again');
is($admin->get("/companies/$other")->{status}, 404, 'another company is not there for it');
is(join(' ', map { $_->{slug} } @{ $admin->get('/companies')->{json}{data} }), 'acme', 'nor in its list');
is($admin->post('/companies', { slug => 'third', name => 'T' })->{status}, 403, 'it makes no companies');

is($admin->put("/companies/$id", { name => 'Acme' })->{status}, 428, 'a replacement without If-Match is refused');
$r = $admin->patch("/companies/$id", { name => 'Acme S.A.', phone => '+55 11 4002-8922', metadata => { crm => undef, erp => [1] } }, if_match => $etag);
is($r->{status}, 200, 'an administrator changes its own company') or diag($r->{body});
is_deeply([@{ $r->{json} }{qw(name phone email metadata)}], ['Acme S.A.', '+55 11 4002-8922', 'ops@acme.example', { erp => [1] }], 'by merging');
isnt($r->{etag}, $etag, 'the version is another one');
is($admin->patch("/companies/$id", { name => 'Acme' }, if_match => $etag)->{status}, 412, 'who has seen the old one is told so');
for my $member ([subscription_plan => 'pro'], [max_flows => 1000], [status => 'active'], [trial_ends_at => undef], [max_monthly_messages => 1]) {
    is($admin->patch("/companies/$id", {@$member}, if_match => '*')->{status}, 403, "$member->[0] is the platform's to change");
}
is($admin->patch("/companies/$id", { slug => 'acme2' }, if_match => '*')->{status}, 403, 'a slug is not the administrator\'s');
$r = $platform->patch("/companies/$id", { slug => 'acme2', id => $other, created_at => '2020-01-01' }, if_match => '*');
is("$r->{status} " . Wflows::Api::pointers($r), '422 /created_at /id /slug', 'nobody changes a slug, nor what is not to be written');
$r = $platform->patch("/companies/$id", { subscription_plan => 'pro', max_flows => 7 }, if_match => '*');
is_deeply([$r->{status}, @{ $r->{json} }{qw(subscription_plan max_flows)}], [200, 'pro', 7], 'the platform changes plan and limits');

$r = $admin->put("/companies/$id", { name => 'Acme' }, if_match => $r->{etag});
is($r->{status}, 200, 'a company is replaced') or diag($r->{body});
is_deeply([@{ $r->{json} }{qw(name display_name email phone settings metadata)}], ['Acme', 'Acme', undef, undef, {}, {}],
    'what is left out goes back to its default');
is_deeply([@{ $r->{json} }{qw(subscription_plan max_flows status)}], ['pro', 7, 'active'], 'but not what an administrator may not change');
$r = $platform->put("/companies/$id", { name => 'Acme', email => 'a@b.example' }, if_match => '*');
is_deeply([@{ $r->{json} }{qw(subscription_plan max_flows status email)}], ['starter', undef, 'active', 'a@b.example'],
    'the platform replaces plan and limits too; how the company is doing stays');
$r = $admin->put("/companies/$id", { display_name => 'A' }, if_match => '*');
is("$r->{status} " . Wflows::Api::pointers($r), '422 /name', 'a replacement has what is needed');

# ---- settings --------------------------------------------------------------------------------------------------------

my $gestor = $platform->as(role => 'gestor', company => $id);
$r = $gestor->get("/companies/$id/settings");
is_deeply($r->{json}, { session_ttl => 86400, require_bound_tokens => Cpanel::JSON::XS::false, require_approvals => Cpanel::JSON::XS::false,
        shared_flow_tokens => [],
    rate_limit => { max_requests => 0, window_ms => 60000 } }, 'all settings are shown, with their defaults');
$r = $gestor->patch("/companies/$id/settings", { session_ttl => 900, rate_limit => { max_requests => 10 } }, if_match => $r->{etag});
is_deeply([$r->{status}, $r->{json}{session_ttl}, $r->{json}{rate_limit}], [200, 900, { max_requests => 10, window_ms => 60000 }],
    'a setting is changed');
is($platform->get("/companies/$id")->{json}{settings}{session_ttl}, 900, 'and is the company\'s');
$r = $gestor->patch("/companies/$id/settings", { session_ttl => 59, require_bound_tokens => 'yes', shared_flow_tokens => [1],
    tint => 1, rate_limit => { window_ms => 1, per => 2 } }, if_match => '*');
is("$r->{status} " . Wflows::Api::pointers($r), '422 /rate_limit/per /rate_limit/window_ms /require_bound_tokens /session_ttl /shared_flow_tokens /tint',
    'settings are known by name and type');
$r = $gestor->put("/companies/$id/settings", { shared_flow_tokens => ['kiosk'] }, if_match => '*');
is_deeply([$r->{json}{session_ttl}, $r->{json}{shared_flow_tokens}], [86400, ['kiosk']], 'a replacement leaves nothing of what was');
is($platform->as(role => 'operador', company => $id)->patch("/companies/$id/settings", {}, if_match => '*')->{status}, 403, 'an operator changes none');
is($gestor->get("/companies/$other/settings")->{status}, 404, 'nobody sees another company\'s');

# ---- activate, suspend, trial ------------------------------------------------------------------------------------------

$r = $platform->post("/companies/$id/suspend", { reason => 'unpaid' });
is_deeply([$r->{status}, @{ $r->{json} }{qw(status suspension_reason)}], [200, 'suspended', 'unpaid'], 'a company is suspended, with the reason');
is($admin->patch("/companies/$id", { name => 'X' }, if_match => '*')->{status}, 403, 'its people change nothing then');
is($admin->get("/companies/$id")->{status}, 200, 'but they see it');
is($admin->post("/companies/$id/activate")->{status}, 403, 'and do not activate it');
$r = $platform->post("/companies/$id/suspend", { reason => 'x' x 501, why => 1 });
is("$r->{status} " . Wflows::Api::pointers($r), '422 /reason /why', 'a reason has its bounds');
$r = $platform->post("/companies/$id/activate");
is_deeply([$r->{status}, @{ $r->{json} }{qw(status suspension_reason)}], [200, 'active', undef], 'a company is activated');
$platform->must('PATCH', "/companies/$other", { trial_ends_at => '2020-01-01T00:00:00Z' }, if_match => '*');
$dbh->do(q{UPDATE wflows.job_runs SET next_at = now() WHERE name = 'trials'});
ok(wait_until(30, sub { one('SELECT status FROM wflows.companies WHERE id = ?', $other) eq 'suspended' }), 'a trial that is over suspends the company');
$r = $platform->post("/companies/$other/activate");
is_deeply([@{ $r->{json} }{qw(status trial_ends_at)}], ['active', undef], 'whoever is activated after it is on trial no more');

# ---- plans ---------------------------------------------------------------------------------------------------------------

is(join(' ', map { $_->{name} } @{ $platform->get('/plans')->{json}{data} }), 'enterprise pro starter', 'the plans');
is($admin->get('/plans')->{status}, 403, 'are the platform\'s');
$r = $platform->put('/plans/gold', { max_flows => 5, max_users => 2 });
is_deeply([$r->{status}, @{ $r->{json} }{qw(name max_flows max_users max_monthly_messages)}], [201, 'gold', 5, 2, 0], 'a plan is made');
is($platform->put('/plans/gold', { max_flows => 6 })->{status}, 200, 'and replaced');
is_deeply([@{ $platform->get('/plans/gold')->{json} }{qw(max_flows max_users)}], [6, 0], 'wholly');
is($platform->put('/plans/gold', { max_flows => 7 }, if_match => '"0"')->{status}, 412, 'If-Match is minded');
$r = $platform->put('/plans/gold', { max_flows => -1, price => 3 });
is("$r->{status} " . Wflows::Api::pointers($r), '422 /max_flows /price', 'a plan\'s limits are checked');
is($platform->get('/plans/none')->{status}, 404, 'a plan that is not there');
is($platform->put('/plans/Not-A-Name', { max_flows => 7 })->{status}, 404, 'or cannot be');
is(one(q{SELECT count(*) FROM wflows.audit_logs WHERE action IN ('plan.created', 'plan.updated')}), 2, 'changes of plans are audited');

# ---- removing ------------------------------------------------------------------------------------------------------------

is($platform->delete("/companies/$other")->{status}, 428, 'a removal without If-Match is refused');
is($platform->as(role => 'admin', company => $other)->delete("/companies/$other", if_match => '*')->{status}, 403, 'it is the platform\'s');
is($platform->delete("/companies/$other", if_match => '"0"')->{status}, 412, 'of the version that was seen');
is($platform->delete("/companies/$other", if_match => $platform->get("/companies/$other")->{etag})->{status}, 204, 'a company is removed');
is($platform->get("/companies/$other")->{status}, 404, 'it is there no more');
is(one('SELECT deleted_at IS NOT NULL FROM wflows.companies WHERE id = ?', $other), 1, 'its row is');
is($platform->post('/companies', { slug => 'second', name => 'Second again' })->{status}, 201, 'and its slug is free');

errlog_ok($stack);
done_testing();
