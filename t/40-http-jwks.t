#!/usr/bin/perl
# Tokens of an identity provider: RS256 and ES256 by a JWK Set from a file and from a URL, which change while the
# server runs; what pretends to be one of theirs; and a REMOTE_USER that httpd is told to trust.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Crypt::PK::ECC;
use Crypt::PK::RSA;
use HTTP::Tiny;
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(sleep time);
use Wflows::Backend;
use Wflows::Jwt qw(claims jwt);
use Wflows::Process qw(read_file wait_until write_file);
use Wflows::Test qw(errlog_ok need start_stack);

need('pg', 'redis', 'httpd');

my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $http = HTTP::Tiny->new(timeout => 20, max_redirect => 0);
sub rsa { my $k = Crypt::PK::RSA->new; $k->generate_key(256, 65537); return $k }
sub ec { my $k = Crypt::PK::ECC->new; $k->generate_key('secp256r1'); return $k }
sub jwk { my ($key, $kid, %more) = @_; return { %{ $json->decode($key->export_key_jwk('public')) }, (defined $kid ? (kid => $kid) : ()), use => 'sig', %more } }
sub set { return $json->encode({ keys => [@_] }) }

my ($rsa, $ec, $later, $stranger) = (rsa(), ec(), rsa(), rsa());
my $weak = Crypt::PK::RSA->new;
$weak->generate_key(128, 65537);
my $folder = File::Temp->newdir('wflows-jwks-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $folder;
my $file = write_file("$folder/jwks", set(jwk($rsa, 'r1'), jwk($ec, 'e1'), jwk($weak, 'weak'), { kty => 'oct', k => 'c2VjcmV0', kid => 'sym' },
    jwk(ec(), 'enc', use => 'enc'), { kty => 'RSA', n => 'x', kid => 'broken' }), 0644);
write_file("$folder/users", "sso-ana:{SHA}" . encode_base64(pack('H*', 'a94a8fe5ccb19ba61c4c0873d391e987982fbbd3'), '') . "\n", 0644);
my $main = sub { my ($source) = @_; return <<"CONF" };
WflowsAuthJwks $source
WflowsAuthTrustRemoteUser On TEST_ROLES TEST_COMPANY
<Location "/guarded">
    AuthType Wflows
    AuthName x
    Require wflows-role gestor
    Header set X-Subject "expr=%{reqenv:WFLOWS_SUBJECT}"
    AuthzSendForbiddenOnFailure On
</Location>
<Location "/sso">
    AuthType Basic
    AuthName x
    AuthBasicProvider file
    AuthUserFile $folder/users
    SetEnvIf X-Test-Roles (.+) TEST_ROLES=\$1
    SetEnvIf X-Test-Company (.+) TEST_COMPANY=\$1
    Require wflows-role gestor
    Header set X-Subject "expr=%{reqenv:WFLOWS_SUBJECT}"
    AuthzSendForbiddenOnFailure On
</Location>
CONF
my $stack = start_stack(httpd => { main => $main->("file:$file"), stock_modules => [qw(auth_basic authn_file)], mpm => { StartServers => 1, ServerLimit => 1, ThreadsPerChild => 8, MaxRequestWorkers => 8, ThreadLimit => 8 } });
for my $name (qw(guarded sso)) { mkdir $stack->httpd->{dir} . "/htdocs/$name"; write_file($stack->httpd->{dir} . "/htdocs/$name/index", "inside\n") }
my $acme = $stack->ctl('company', 'add', 'acme', '--name', 'Acme')->{id};

sub get { my ($token, $path) = @_; return $http->get($stack->httpd->url($path // '/guarded/index'), { headers => { Authorization => "Bearer $token" } }) }
my %mine = (roles => ['gestor'], tenant_id => $acme, sid => 'a session of theirs');
sub token { my ($alg, $key, $kid, %more) = @_; return jwt($alg, $key, claims(%mine, %more), kid => $kid) }

my $r = get(token('RS256', $rsa, 'r1'));
is($r->{status}, 200, 'a token with RS256');
is($r->{headers}{'x-subject'}, 'sso:tester', 'whose subject is of the identity provider');
is(get(token('ES256', $ec, 'e1'))->{status}, 200, 'one with ES256');
is(get(token('RS256', $rsa, undef))->{status}, 200, 'without a kid all keys of its algorithm are tried');
is(get(token('RS256', $rsa, 'r1', roles => ['leitura']))->{status}, 403, 'its role counts');
is(get(token('RS256', $rsa, 'r1', sub => '0190163d-8694-739b-aea5-966c26f8ad91'))->{status}, 200, 'a subject that looks like a user of ours is none');
my $public = $rsa->export_key_pem('public');
my %bad = (
    'HS256 with the public key as secret (PEM)' => jwt('HS256', $public, claims(%mine), kid => 'r1'),
    'HS256 with the modulus as secret' => jwt('HS256', $json->decode($rsa->export_key_jwk('public'))->{n}, claims(%mine), kid => 'r1'),
    'none' => jwt('none', '', claims(%mine), kid => 'r1'),
    'ES256 under the name of an RSA key' => token('ES256', $ec, 'r1'),
    'RS256 under the name of an EC key' => token('RS256', $rsa, 'e1'),
    'RS256 of a stranger' => token('RS256', $stranger, 'r1'),
    'RS256 of a key that is too weak' => token('RS256', $weak, 'weak'),
    'a symmetric key of the published set' => jwt('HS256', 'secret', claims(%mine), kid => 'sym'),
    'our own kid with their key' => token('RS256', $rsa, 't1'),
    'expired' => token('RS256', $rsa, 'r1', exp => time - 100),
    'a company that is not there' => token('RS256', $rsa, 'r1', tenant_id => 'nobody'),
    'an ES256 signature of another length' => do { my $t = token('ES256', $ec, 'e1'); substr($t, 0, -2) },
);
is(get($bad{$_})->{status}, 401, "401: $_") for sort keys %bad;
is(get(jwt('HS256', $stack->jwt_secret, claims(%mine, sid => undef), kid => 't1'))->{status}, 200, 'our own tokens go on beside them');

is(get(token('RS256', $later, 'r2'))->{status}, 401, 'a key that is not in the file');
sleep(1.1);
write_file($file, set(jwk($later, 'r2')), 0644);
utime(time + 5, time + 5, $file);
ok(wait_until(5, sub { get(token('RS256', $later, 'r2'))->{status} == 200 }), 'is known when the file has changed');
is(get(token('RS256', $rsa, 'r1'))->{status}, 401, 'and the one that was taken out is not');
write_file($file, 'no JSON', 0644);
utime(time + 10, time + 10, $file);
sleep(1.2);
is(get(token('RS256', $later, 'r2'))->{status}, 200, 'a file that is broken leaves the keys that are known');

# ---- the server's word -----------------------------------------------------------------------------------------------

sub sso { my ($password, %headers) = @_; return $http->get($stack->httpd->url('/sso/index'), { headers => { Authorization => 'Basic ' . encode_base64("sso-ana:$password", ''), %headers } }) }
is(sso('wrong')->{status}, 401, 'whom httpd does not let in');
$r = sso('test', 'X-Test-Roles' => 'leitura,gestor', 'X-Test-Company' => 'acme');
is("$r->{status} $r->{headers}{'x-subject'}", '200 sso:sso-ana', 'whom it lets in is who it says, with the roles and the company of the variables');
is(sso('test', 'X-Test-Roles' => 'leitura', 'X-Test-Company' => 'acme')->{status}, 403, 'a role that is less');
is(sso('test', 'X-Test-Company' => 'acme')->{status}, 403, 'no role');
is(sso('test', 'X-Test-Roles' => 'admin')->{status}, 403, 'no company');
is(sso('test', 'X-Test-Roles' => 'admin', 'X-Test-Company' => 'nobody')->{status}, 403, 'none that is there');

# ---- a URL --------------------------------------------------------------------------------------------------------------

my $provider;
sub asked { my @asked = $provider->requests; return scalar @asked }
my $published = set(jwk($rsa, 'r1'));
$provider = Wflows::Backend->start(log => "$folder/provider.ndjson", answer => sub { [200, { 'Content-Type' => 'application/json' }, $published] });
$stack->httpd->stop;
$stack->httpd->{main} = "WflowsTenant On\n" . $main->($provider->url('/jwks'));
$stack->httpd->write_conf;
$stack->httpd->start;
is(get(token('RS256', $rsa, 'r1'))->{status}, 200, 'keys from a URL');
get(token('RS256', $rsa, 'r1')) for 1 .. 5;
is(asked(), 1, 'which is asked once');
get(token('RS256', $stranger, "made-up-$_")) for 1 .. 5;
is(asked(), 1, 'also where somebody makes up names of keys');
$stack->httpd->restart;
is(get(token('RS256', $rsa, 'r1'))->{status}, 200, 'after a restart');
is(asked(), 1, 'Redis has them');
$stack->redis->client->flushall;
$provider->stop;
$stack->httpd->restart;
is(get(token('RS256', $rsa, 'r1'))->{status}, 503, 'a provider that is down is not the caller\'s fault');
is(get(jwt('HS256', $stack->jwt_secret, claims(%mine, sid => undef), kid => 't1'))->{status}, 200, 'and does not concern our own tokens');

errlog_ok($stack, ignore => [qw(AH01631 AH01617 AH01630 WF0763 WF0765 WF0766 WF0118)]);
done_testing();
