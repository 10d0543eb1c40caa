#!/usr/bin/perl
# Who calls, in a real httpd: tokens, API keys, AuthType Wflows with its Require lines in front of a plain handler,
# and what of it is kept where.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Crypt::PK::ECC;
use Crypt::PK::RSA;
use File::Temp ();
use HTTP::Tiny;
use MIME::Base64 qw(encode_base64url);
use Test::More;
use Time::HiRes qw(sleep time);
use Wflows::Jwt qw(claims jwt);
use Wflows::Process qw(read_file wait_until write_file);
use Wflows::Tenant;
use Wflows::Test qw(errlog_ok need start_stack);

need('pg', 'redis', 'httpd');

my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $http = HTTP::Tiny->new(timeout => 20, max_redirect => 0);
my ($secret, $second, $retired) = map { $_ x 40 } qw(s t u);
my $keys = File::Temp->newdir('wflows-auth-XXXXXX', TMPDIR => 1, CLEANUP => 1);
write_file("$keys/first", "$secret\n", 0400);
write_file("$keys/second", "$second\n", 0400);
my $stack = start_stack(httpd => { main => <<"CONF" });
WflowsAuthJwtKey now file:$keys/first
WflowsAuthJwtKey before file:$keys/second
<Location "/guarded">
    AuthType Wflows
    AuthName "the backend"
    Header set X-Subject "expr=%{reqenv:WFLOWS_SUBJECT}"
    Header set X-Roles "expr=%{reqenv:WFLOWS_ROLES}"
    Header set X-Of "expr=%{reqenv:WFLOWS_COMPANY}"
    AuthzSendForbiddenOnFailure On
</Location>
<Location "/guarded/any">
    Require valid-user
</Location>
<Location "/guarded/gestor">
    Require wflows-role gestor
</Location>
<Location "/guarded/reader-key">
    Require wflows-scope read:flows
</Location>
<Location "/guarded/acme">
    Require wflows-tenant acme
</Location>
<Location "/guarded/either">
    Require ip 10.99.99.99
    Require wflows-role platform_admin
</Location>
<Location "/guarded/second">
    Require wflows-role platform_admin
    Require ip 127.0.0.1
</Location>
<Location "/guarded/page">
    ErrorDocument 403 /refused.txt
    Require wflows-role platform_admin
</Location>
CONF
mkdir $stack->httpd->{dir} . "/htdocs/guarded" or die $!;
write_file($stack->httpd->{dir} . "/htdocs/guarded/$_", "inside\n") for qw(any gestor reader-key acme either second page);
write_file($stack->httpd->{dir} . "/htdocs/refused.txt", "no\n");
my $acme = Wflows::Tenant->add($stack, slug => 'acme');
my $other = Wflows::Tenant->add($stack, slug => 'other');

sub get {
    my ($path, %headers) = @_;
    return $http->get($stack->httpd->url($path), { headers => \%headers });
}
sub bearer { my ($token) = @_; return (Authorization => "Bearer $token") }
sub token { my (%claims) = @_; return jwt('HS256', $secret, claims(%claims), kid => 'now') }
sub admin_of { my ($tenant, %claims) = @_; return token(roles => ['admin'], tenant_id => $tenant->{id}, %claims) }
sub status { my ($token, $path) = @_; return get($path // '/guarded/any', bearer($token))->{status} }

# ---- tokens -----------------------------------------------------------------------------------------------------

my $r = get('/guarded/any');
is($r->{status}, 401, 'nobody gets in without saying who they are');
is($r->{headers}{'www-authenticate'}, 'Bearer realm="the backend"', 'and is told how to');
is($r->{headers}{'content-type'}, 'application/problem+json', 'in our words');
is(status(admin_of($acme)), 200, 'a token signed by the first key opens');
is(status(jwt('HS256', $second, claims(roles => ['admin'], tenant_id => $acme->{id}), kid => 'before')), 200, 'so does one by the second, while it is there');
is(status(jwt('HS256', $secret, claims(roles => ['admin'], tenant_id => $acme->{id}))), 200, 'a token without a kid is tried with all keys');
my $rsa = Crypt::PK::RSA->new;
$rsa->generate_key(256, 65537);
my %bad = (
    'no expiry' => admin_of($acme, exp => undef),
    'expired' => admin_of($acme, exp => time - 61),
    'an expiry that is no number' => admin_of($acme, exp => 'tomorrow'),
    'not valid yet' => admin_of($acme, nbf => time + 120),
    'made in the future' => admin_of($acme, iat => time + 120),
    'no subject' => admin_of($acme, sub => undef),
    'a subject with a line break' => admin_of($acme, sub => "a\nb"),
    'a company that is not there' => token(roles => ['admin'], tenant_id => '00000000-0000-4000-8000-000000000000'),
    'a company that is no id' => token(roles => ['admin'], tenant_id => 'No Such'),
    'no company' => token(roles => ['admin']),
    'alg none' => jwt('none', '', claims(roles => ['admin'], tenant_id => $acme->{id}), kid => 'now'),
    'alg none with the MAC of HS256' => do { my $t = admin_of($acme); my (undef, $p, $m) = split /\./, $t; encode_base64url('{"alg":"none","kid":"now"}') . ".$p.$m" },
    'HS512' => jwt('HS512', $secret, claims(roles => ['admin'], tenant_id => $acme->{id}), kid => 'now'),
    'RS256 with a key of its own' => jwt('RS256', $rsa, claims(roles => ['admin'], tenant_id => $acme->{id}), kid => 'now'),
    'the kid of the other key' => jwt('HS256', $secret, claims(roles => ['admin'], tenant_id => $acme->{id}), kid => 'before'),
    'a kid that nobody has' => jwt('HS256', $secret, claims(roles => ['admin'], tenant_id => $acme->{id}), kid => 'k9'),
    'a retired secret' => jwt('HS256', $retired, claims(roles => ['admin'], tenant_id => $acme->{id}), kid => 'now'),
    'crit' => jwt('HS256', $secret, claims(roles => ['admin'], tenant_id => $acme->{id}), kid => 'now', crit => ['exp']),
    'claims that are a list' => jwt('HS256', $secret, '[1]', kid => 'now'),
    'claims that are no JSON' => jwt('HS256', $secret, 'hello', kid => 'now'),
    'a session of nobody' => admin_of($acme, sub => '0190163d-8694-739b-aea5-966c26f8ad91', sid => '0190163d-8694-739b-aea5-966c26f8ad92'),
    'nothing' => '',
    'two parts' => 'abc.def',
    'a very long one' => 'a' x 8000 . '.b.c',
);
for my $what (sort keys %bad) {
    is(status($bad{$what}), 401, "401: $what");
    is(get('/api/v2/companies', bearer($bad{$what}))->{status}, 401, 'by the API too');
}
my $good = admin_of($acme);
my $changed = $good;
substr($changed, -20, 1) = substr($changed, -20, 1) eq 'A' ? 'B' : 'A';
is(status($changed), 401, 'a token whose signature is changed in one letter is none');
is(status(admin_of($acme, exp => time - 30)), 200, 'clocks may differ by a minute: a token that has just expired');
is(status(admin_of($acme, nbf => time + 30, iat => time + 30)), 200, 'and one that is from the near future');
is(get('/guarded/any', Authorization => 'Basic dXNlcjpwYXNz')->{status}, 401, 'another scheme says nothing to us');
is(get('/guarded/any', Authorization => 'bearer ' . $good)->{status}, 200, 'the scheme is read without regard to case');

# ---- Require -----------------------------------------------------------------------------------------------------

$r = get('/guarded/gestor', bearer($good));
is($r->{content}, "inside\n", 'an admin is also what a gestor is');
is($r->{headers}{'x-subject'}, 'token:tester', 'the backend sees who it is');
is($r->{headers}{'x-roles'}, 'admin', 'as what');
is($r->{headers}{'x-of'}, 'acme', 'and of which company');
is(status(token(roles => ['operador'], tenant_id => $acme->{id}), '/guarded/gestor'), 403, 'who is less than the role is refused');
is(status(token(roles => ['boss'], tenant_id => $acme->{id}), '/guarded/gestor'), 403, 'a role that is not ours is none');
is(status(token(roles => ['boss', 'gestor'], tenant_id => 'acme'), '/guarded/gestor'), 200, 'the greatest of several counts; a company may be named by its slug');
is(status($good, '/guarded/acme'), 200, 'a company\'s own people pass wflows-tenant');
is(status(admin_of($other), '/guarded/acme'), 403, 'those of another do not');
is(status(token(roles => ['platform_admin']), '/guarded/acme'), 200, 'the platform does');
is(status($good, '/guarded/reader-key'), 403, 'people have no scopes');
is(status(token(roles => ['platform_admin']), '/guarded/either'), 200, 'a Require line beside others is one way in');
is(status($good, '/guarded/either'), 403, 'and the others keep out whom they keep out');
is(get('/guarded/any', bearer($good), 'X-Tenant' => 'other')->{status}, 403, 'nobody names a company that is not theirs');
is(get('/guarded/any', bearer($good), 'X-Tenant' => 'acme')->{status}, 200, 'their own they may');

# ---- the API ------------------------------------------------------------------------------------------------------

is(get('/api/v2/companies', bearer($good))->{status}, 200, 'the API knows the same callers');
is(get("/api/v2/companies/$acme->{id}", bearer($good))->{status}, 200, 'their own company is there');
is(get("/api/v2/companies/$other->{id}", bearer($good))->{status}, 404, 'another one is not');

# ---- API keys -----------------------------------------------------------------------------------------------------

my $dbh = $stack->dbh;
$dbh->do('SET ROLE wflows_platform');

sub new_key {
    my ($company, $name, @options) = @_;
    my $made = $stack->ctl('api-key', 'new', '--company', $company, '--name', $name, @options);
    $stack->{known_secrets}{"API key $name"} = $made->{key};
    return $made;
}
sub by_key { my ($key, $path, %headers) = @_; return get($path // '/guarded/any', 'X-API-Key' => $key, %headers) }

my $key = new_key('acme', 'reader', '--scope', 'read:flows', '--scope', 'read:companies', '--rate', 1000);
like($key->{key}, qr/^wfk_[0-9a-f]{16}_[0-9a-f]{64}$/, 'a key has a public and a secret part');
$r = by_key($key->{key});
is($r->{status}, 200, 'it opens');
is($r->{headers}{'x-subject'}, "key:$key->{id}", 'as itself');
is($r->{headers}{'x-roles'}, '', 'without a role');
is($r->{headers}{'x-of'}, 'acme', 'of its company');
is(get('/guarded/any', bearer($key->{key}))->{status}, 200, 'it may also come as a Bearer token');
is(get('/guarded/any', bearer($good), 'X-API-Key' => $key->{key})->{status}, 401, 'but not beside another one');
is(by_key($key->{key}, '/guarded/reader-key')->{status}, 200, 'its scope opens where a scope is required');
is(by_key($key->{key}, '/guarded/gestor')->{status}, 403, 'it has no role');
is(by_key($key->{key}, '/guarded/acme')->{status}, 200, 'it is of its company');
is(by_key($key->{key}, '/guarded/any', 'X-Tenant' => 'other')->{status}, 403, 'and of no other');
is(by_key($key->{key}, "/api/v2/companies/$acme->{id}")->{status}, 200, 'the API takes it');
is(by_key($key->{key}, "/api/v2/companies/$other->{id}")->{status}, 404, 'for its company only');
my $narrow = new_key('acme', 'narrow', '--scope', 'write:companies');
is(by_key($narrow->{key}, "/api/v2/companies/$acme->{id}")->{status}, 403, 'writing does not include reading');
(my $wrong = $key->{key}) =~ s/.$/$& eq '0' ? '1' : '0'/e;
is(by_key($wrong)->{status}, 401, 'a secret that is wrong in its last letter is wrong');
is(by_key($key->{key})->{status}, 200, 'and changes nothing for the right one');
is(by_key('wfk_0123456789abcdef_' . '0' x 64)->{status}, 401, 'there is no such key');
is(by_key($_)->{status}, 401, "no key: '$_'") for 'wfk_', 'wfk_x_y', "$key->{key}x", 'hello', $key->{key} =~ s/_/-/gr;

get('/guarded/gestor', bearer(token(sub => "much-refused", roles => ['leitura'], tenant_id => 'acme'))) for 1 .. 12;
my $told = $dbh->selectall_arrayref("SELECT resource_id FROM wflows.audit_logs WHERE action = 'access.denied' AND actor = 'token:much-refused'");
is_deeply($told, [['GET /guarded/gestor']], 'what somebody was refused is in the audit log, once a minute');
get("/guarded/gestor?$_/", bearer(token(sub => "much-refused", roles => ['leitura'], tenant_id => 'acme'))) for 1 .. 3;
get("/guarded/gestor/$_", bearer(token(sub => "more-refused", roles => ['leitura'], tenant_id => 'acme'))) for 1 .. 20;
cmp_ok($dbh->selectrow_array("SELECT count(*) FROM wflows.audit_logs WHERE action = 'access.denied' AND actor = 'token:more-refused'"), '<=', 6, 'and a few places of each caller');

sub told_of { return $dbh->selectcol_arrayref("SELECT resource_id FROM wflows.audit_logs WHERE action = 'access.denied' AND actor = ?", undef, "token:$_[0]") }
is(status(token(sub => 'let-in', roles => ['leitura'], tenant_id => 'acme'), '/guarded/second'), 200, 'another Require line lets somebody in');
is_deeply(told_of('let-in'), [], 'and nothing is said of the one that did not');
is(status(token(sub => 'kept-out', roles => ['leitura'], tenant_id => 'acme'), '/guarded/either'), 403, 'where none does');
is_deeply(told_of('kept-out'), ['GET /guarded/either'], 'it is');
$r = get('/guarded/page', bearer(token(sub => 'page', roles => ['leitura'], tenant_id => 'acme')));
is("$r->{status} $r->{content}", "403 no\n", 'with a page of its own, too');
is_deeply(told_of('page'), ['GET /guarded/page'], 'under the address that was asked for');

errlog_ok($stack, ignore => ['AH01631']);
done_testing();
