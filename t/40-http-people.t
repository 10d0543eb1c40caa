#!/usr/bin/perl
# The people and API keys of companies over /api/v2: who may make whom what, what takes effect at once, and that no
# company sees or touches another's.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Test::More;
use Time::HiRes qw(sleep time);
use Wflows::Api;
use Wflows::Process qw(read_file wait_until);
use Wflows::Test qw(errlog_ok need start_stack);

need('pg', 'redis', 'httpd');

my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $stack = start_stack();
my ($acme, $other) = map { $stack->ctl('company', 'add', $_, '--name', ucfirst, '--plan', 'starter')->{id} } qw(acme other);
my $account = $stack->ctl('account', 'add', '--company', 'acme', '--name', 'main', '--phone-number-id', 70000000001)->{id};
my $foreign = $stack->ctl('account', 'add', '--company', 'other', '--name', 'main', '--phone-number-id', 70000000002)->{id};
my $platform = Wflows::Api->new($stack);
my $admin = $platform->as(role => 'admin', company => $acme);
my $theirs = $platform->as(role => 'admin', company => $other);
my $dbh = $stack->dbh;
$dbh->do('SET ROLE wflows_platform');
my $password = 'correct horse battery';
$stack->{known_secrets}{password} = $password;

sub problem {
    my ($r, $status, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$r->{status} " . (($r->{json} // {})->{code} // ''), "$status $code", $name) or diag($r->{body});
    return $r;
}
sub audits { return @{ $dbh->selectcol_arrayref('SELECT action FROM wflows.audit_logs WHERE company_id = ? ORDER BY seq', undef, $_[0]) } }

# ---- users --------------------------------------------------------------------------------------------------------

my $users = "/companies/$acme/users";
my $r = $admin->post($users, { email => 'Ana@acme.example', name => 'Ana', role => 'admin', password => $password });
is($r->{status}, 201, 'an admin lets another one in') or diag($r->{body});
my $ana = $r->{json};
is($r->{headers}{location}, "/api/v2$users/$ana->{id}", 'the reply says where they are');
is("$ana->{status} $ana->{has_password}", 'active 1', 'somebody with a password can log in');
unlike($r->{body}, qr/argon2|horse/, 'and nothing of the password is shown');
$r = $admin->get("$users/$ana->{id}");
is_deeply($r->{json}, $ana, 'they are found under their id');
ok($r->{etag}, 'with a version');
is($admin->post($users, { email => 'bo@acme.example', name => 'Bo', role => 'leitura' })->{json}{status}, 'invited', 'without one they are invited');
problem($admin->post($users, { email => 'ANA@acme.example', name => 'A', role => 'leitura' }), 409, 'email_taken', 'an address is there once, whatever its letters');
$r = problem($admin->post($users, { email => 'no', role => 'king', password => 'short', extra => 1 }), 422, 'invalid', 'everything that is wrong is said at once');
is(Wflows::Api::pointers($r), '/email /extra /name /password /role', 'with its place');
$r = $admin->post($users, { email => 'long.address@acme.example', name => 'x', role => 'leitura', password => 'Long.Address@acme.example' });
is(Wflows::Api::pointers($r), '/password', 'the address is no password');
$r = $admin->post($users, { email => 'x@acme.example', name => 'x', role => 'platform_admin' });
is(Wflows::Api::pointers($r), '/role', 'nobody of a company becomes the platform');
my $third = $admin->must('POST', $users, { email => 'cy@acme.example', name => 'Cy', role => 'operador', password => $password });
problem($admin->post($users, { email => 'd@acme.example', name => 'D', role => 'leitura' }), 409, 'limit_reached', 'the plan\'s number of users is the end');
is(scalar @{ $admin->get($users)->{json}{data} }, 3, 'the list has them');
is($admin->get($users, query => { sort => 'email', limit => 1 })->{json}{data}[0]{email}, 'Ana@acme.example', 'sorted and in pages');
is($admin->get($users, query => { email => 'CY@acme.example' })->{json}{data}[0]{id}, $third->{id}, 'found by address');
is($admin->get($users, query => { role => 'leitura' })->{json}{data}[0]{email}, 'bo@acme.example', 'and by role');

$r = $admin->patch("$users/$third->{id}", { role => 'gestor' }, if_match => $admin->get("$users/$third->{id}")->{etag});
is("$r->{status} $r->{json}{role}", '200 gestor', 'a role is changed');
is($admin->patch("$users/$third->{id}", { role => 'leitura' }, if_match => '"old"')->{status}, 412, 'not over a version that somebody else has changed');
is($admin->put("$users/$third->{id}", { email => 'cy@acme.example', name => 'Cyrus', role => 'operador' })->{json}{name}, 'Cyrus', 'PUT sets all of it');
is(Wflows::Api::pointers($admin->put("$users/$third->{id}", { name => 'x' })), '/email /role', 'and wants all of it');
problem($admin->patch("$users/$ana->{id}", $_), 409, 'last_admin', 'the last admin stays one: ' . $json->encode($_)) for { role => 'gestor' }, { status => 'inactive' };
problem($admin->delete("$users/$ana->{id}"), 409, 'last_admin', 'and stays');
is($admin->get("$users/$ana->{id}")->{json}{role}, 'admin', 'nothing of it was done');
$r = $admin->patch("$users/$third->{id}", { role => 'admin' });
is($admin->patch("$users/$ana->{id}", { role => 'gestor' })->{status}, 200, 'beside another one they may go');
is($admin->patch("$users/$ana->{id}", { role => 'admin' })->{status}, 200, 'and come back');

# A token of a person: their state counts, not what the token says.
my $as_ana = $platform->as(role => 'admin', company => $acme, sub => $ana->{id});
is($as_ana->get($users)->{status}, 200, 'a person with a token of their own is in');
$admin->patch("$users/$ana->{id}", { role => 'leitura' });
is($as_ana->get($users)->{status}, 403, 'a lesser role counts at once, whatever the token says');
$admin->patch("$users/$ana->{id}", { role => 'admin' });
is($as_ana->get($users)->{status}, 200, 'as does a greater one');
is($platform->as(role => 'leitura', company => $acme, sub => $ana->{id})->get($users)->{status}, 403, 'a token for less is for less');
$admin->patch("$users/$ana->{id}", { status => 'inactive' });
is($as_ana->get($users)->{status}, 401, 'who is made inactive is out at once');
$admin->patch("$users/$ana->{id}", { status => 'active' });
is($as_ana->get($users)->{status}, 401, 'and their old tokens stay out');
sleep(1.1);
$as_ana = $platform->as(role => 'admin', company => $acme, sub => $ana->{id});
is($as_ana->get($users)->{status}, 200, 'a new one is good');
$admin->patch("$users/$ana->{id}", { password => 'another long password' });
is($as_ana->get($users)->{status}, 401, 'a new password ends the tokens before it');
is($admin->delete("$users/$ana->{id}")->{status}, 204, 'somebody is taken out');
is($admin->get("$users/$ana->{id}")->{status}, 404, 'is not there any more');
is($platform->as(role => 'admin', company => $acme, sub => $ana->{id}, claims => { iat => time + 5 })->get($users)->{status}, 401, 'and no token brings them back');
$r = $admin->post($users, { email => 'ana@acme.example', name => 'Ana again', role => 'leitura' });
is($r->{status}, 201, 'the address is free again');

# ---- one person, several companies -----------------------------------------------------------------------------------

my $cy = $platform->must('POST', "/companies/$other/users", { email => 'cy@acme.example', name => 'Cy', role => 'leitura' });
is($cy->{id}, $third->{id}, 'the platform puts a person into another company: it is the same one');
is($cy->{status}, 'active', 'with the same password');
my $pre = $theirs->must('POST', "/companies/$other/users", { email => 'bo@acme.example', name => 'B', role => 'admin', password => $password });
isnt($pre->{id}, $admin->get($users, query => { email => 'bo@acme.example' })->{json}{data}[0]{id}, 'a company\'s admin makes another person, who gets nowhere else with it');
my $as_cy = $platform->as(role => 'admin', sub => $third->{id});
problem($as_cy->get('/companies'), 400, 'tenant_needed', 'who belongs to several and names none is asked to');
is($as_cy->get('/companies', headers => { 'x-tenant' => 'acme' })->{json}{data}[0]{slug}, 'acme', 'X-Tenant names one by its slug');
is($as_cy->get('/companies', headers => { 'x-tenant' => $other })->{json}{data}[0]{slug}, 'other', 'or by its id');
is($as_cy->get("/companies/$acme", headers => { 'x-tenant' => $other })->{status}, 404, 'and then sees no other');
is($as_cy->get($users, headers => { 'x-tenant' => 'acme' })->{status}, 200, 'admin in the one');
is($as_cy->get("/companies/$other/users", headers => { 'x-tenant' => 'other' })->{status}, 403, 'is not admin in the other');
problem($as_cy->get('/companies', headers => { 'x-tenant' => 'third' }), 403, 'not_your_company', 'a company that is not theirs is refused');
problem($admin->patch("$users/$third->{id}", { password => $password . '!' }), 409, 'password_not_yours', 'one company\'s admin does not set the password of another\'s user');
is($platform->patch("$users/$third->{id}", { password => $password . '!' })->{status}, 200, 'the platform may');

# ---- API keys -----------------------------------------------------------------------------------------------------------

my $keys = "/companies/$acme/api-keys";
$r = $admin->post($keys, { name => 'shop', scopes => ['read:flows', 'read:api-keys', 'write:api-keys'], whatsapp_account_ids => [$account] });
is($r->{status}, 201, 'an admin makes a key') or diag($r->{body});
my $shop = $r->{json};
$stack->{known_secrets}{'API key shop'} = $shop->{key};
like($shop->{key}, qr/^wfk_\Q$shop->{key_prefix}\E_/, 'which is shown this once');
is($shop->{rate_limit_per_minute}, 60, 'with a rate that nobody had to name');
$r = $admin->get("$keys/$shop->{id}");
ok(!exists $r->{json}{key} && $r->{body} !~ /argon2/, 'and never again');
$r = $admin->post($keys, { name => '', scopes => ['read:minds', 'read:flows'], whatsapp_account_ids => ['x'], rate_limit_per_minute => 0, expires_at => 'soon', key => 'x' });
is(Wflows::Api::pointers($r) =~ s{/\d+}{}gr, '/expires_at /key /name /rate_limit_per_minute /scopes /whatsapp_account_ids', 'all that is wrong is said') or diag($r->{body});
is(Wflows::Api::pointers($admin->post($keys, { name => 'f', scopes => ['read:flows'], whatsapp_account_ids => [$account, $foreign] })), '/whatsapp_account_ids', 'another company\'s account is none');
is(Wflows::Api::pointers($admin->post($keys, { name => 'f', scopes => ['read:flows'], expires_at => '2020-01-01' })), '/expires_at', 'a key does not expire before it is made');
problem($admin->post($keys, { name => 'shop', scopes => ['read:flows'] }), 409, 'name_taken', 'a name is there once');
my $as_key = $platform->as_key($shop->{key});
is($as_key->get($keys)->{status}, 200, 'a key may do what its scopes say');
is($as_key->get($users)->{status}, 403, 'and nothing else');
is($as_key->post($keys, { name => 'more', scopes => ['read:users'], whatsapp_account_ids => [$account] })->{status}, 403, 'it gives no scope that it has not');
is($as_key->post($keys, { name => 'wide', scopes => ['read:flows'] })->{status}, 403, 'and no account');
is($as_key->post($keys, { name => 'less', scopes => ['read:flows'], whatsapp_account_ids => [$account] })->{status}, 201, 'but what it has');
my $strong = $admin->must('POST', $keys, { name => 'strong', scopes => ['read:users'] });
is($as_key->post("$keys/$strong->{id}/regenerate")->{status}, 403, 'nor does it get the secret of a key that may do more');
is($as_key->post($users, { email => 'x@y.example', name => 'x', role => 'admin' })->{status}, 403, 'no key makes people');

$r = $admin->post("$keys/$shop->{id}/regenerate");
is($r->{status}, 200, 'a key gets another secret');
my $new = $r->{json}{key};
$stack->{known_secrets}{'API key shop, second'} = $new;
is($as_key->get($keys)->{status}, 401, 'the old one ends at once');
is($platform->as_key($new)->get($keys)->{status}, 200, 'the new one is good');
is($admin->delete("$keys/$shop->{id}")->{status}, 204, 'it is revoked');
is($platform->as_key($new)->get($keys)->{status}, 401, 'and is out at once');
is($admin->get("$keys/$shop->{id}")->{json}{status}, 'revoked', 'its record stays');
problem($admin->post("$keys/$shop->{id}/regenerate"), 409, 'key_not_active', 'what is revoked stays so');
is($admin->post($keys, { name => 'shop', scopes => ['read:flows'] })->{status}, 201, 'its name is free');
is_deeply([sort map { $_->{name} } @{ $admin->get($keys, query => { status => 'revoked' })->{json}{data} }], ['shop'], 'the list knows which are');

# A key of a company that is suspended: it may look.
my $look = $admin->must('POST', $keys, { name => 'look', scopes => ['read:api-keys', 'write:api-keys'] })->{key};
$stack->{known_secrets}{'API key look'} = $look;
is($platform->as_key($look)->get($keys)->{status}, 200, 'a key of an active company');
$stack->ctl('company', 'suspend', 'acme');
is($platform->as_key($look)->get($keys)->{status}, 200, 'may still look when it is suspended');
problem($platform->as_key($look)->post($keys, { name => 'n', scopes => ['read:api-keys'] }), 403, 'inactive', 'but not touch, from that moment');
$stack->ctl('company', 'activate', 'acme');
is($platform->as_key($look)->post($keys, { name => 'n', scopes => ['read:api-keys'] })->{status}, 201, 'until it is active again');

# ---- every id of another company ------------------------------------------------------------------------------------------

for my $path ($users, "$users/$third->{id}", $keys, "$keys/$strong->{id}") {
    is($theirs->get($path)->{status}, 404, "another company's admin does not see $path");
}
for my $path ("/companies/$other/users/" . $admin->get($users, query => { email => 'bo@acme.example' })->{json}{data}[0]{id}, "/companies/$other/api-keys/$strong->{id}") {
    is($theirs->get($path)->{status}, 404, 'nor under their own path');
    is($theirs->delete($path)->{status}, 404, 'nor removes it');
    is($theirs->patch($path, { name => 'mine' })->{status} =~ /^40[45]$/ ? 1 : 0, 1, 'nor changes it');
}
is($theirs->post("/companies/$other/api-keys/$strong->{id}/regenerate")->{status}, 404, 'nor gets its secret');
is($admin->get("$keys/$strong->{id}")->{json}{status}, 'active', 'it is untouched');
for my $role (qw(leitura operador gestor)) {
    my $who = $platform->as(role => $role, company => $acme);
    is($who->get($users)->{status}, 403, "$role does not see people");
    is($who->post($keys, { name => 'k', scopes => ['read:flows'] })->{status}, 403, "$role makes no keys");
}

# ---- what is kept -------------------------------------------------------------------------------------------------------

my %seen = map { $_ => 1 } audits($acme);
ok($seen{$_}, "$_ is in the audit log") for qw(user.created user.updated user.deleted api_key.created api_key.regenerated api_key.revoked api_key.new_address);
is($dbh->selectrow_array("SELECT count(*) FROM wflows.audit_logs WHERE coalesce(old_values::text, '') || coalesce(new_values::text, '') ~ 'argon2|horse'"), 0, 'without any secret');
like(join(' ', @{ $dbh->selectcol_arrayref("SELECT new_values::text FROM wflows.audit_logs WHERE action = 'user.updated' AND new_values::text LIKE '%redacted%'") }), qr/"password":"\[redacted\]"/, 'a new password is told of, and not which');
is($dbh->selectrow_array("SELECT count(*) FROM wflows.api_keys WHERE key_hash NOT LIKE '\$argon2id\$%'"), 0, 'keys are kept as argon2id');

errlog_ok($stack);
done_testing();
