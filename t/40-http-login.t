#!/usr/bin/perl
# People log in, stay logged in, change their password and log out: limits, stolen refresh tokens, what ends at once,
# and that nothing of it is kept in clear.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use MIME::Base64 qw(decode_base64url);
use Test::More;
use Time::HiRes qw(sleep time);
use Wflows::Api;
use Wflows::Process qw(read_file wait_until);
use Wflows::Test qw(errlog_ok need start_stack);

need('pg', 'redis', 'httpd');

my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $stack = start_stack(httpd => { main => "WflowsAuthTokenTTL 10min\nWflowsAuthRefreshTTL 48h\n" });
my ($acme, $other) = map { $stack->ctl('company', 'add', $_, '--name', ucfirst, '--plan', 'enterprise')->{id} } qw(acme other);
my $platform = Wflows::Api->new($stack);
my $nobody = $platform->as_nobody;
my $dbh = $stack->dbh;
$dbh->do('SET ROLE wflows_platform');
my ($first, $second) = ('correct horse battery', 'staple of another kind');
@{ $stack->{known_secrets} }{ 'first password', 'second password' } = ($first, $second);
my $ana = $stack->ctl('user', 'add', 'ana@acme.example', '--company', 'acme', '--role', 'admin', { password => $first });
my @secrets = ($first, $second);

sub problem {
    my ($r, $status, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$r->{status} " . (($r->{json} // {})->{code} // ''), "$status $code", $name) or diag($r->{body});
    return $r;
}
sub login {
    my ($email, $password, %o) = @_;
    my $r = $nobody->post('/auth/login', { email => $email, password => $password, %{ $o{more} // {} } }, headers => $o{headers} // {});
    push @secrets, @{ $r->{json} }{qw(access_token refresh_token)} if $r->{status} == 200;
    return $r;
}
sub refresh {
    my ($token) = @_;
    my $r = $nobody->post('/auth/refresh', { refresh_token => $token });
    push @secrets, @{ $r->{json} }{qw(access_token refresh_token)} if $r->{status} == 200;
    return $r;
}
sub me { return $platform->as(token => $_[0])->get('/me') }
sub claims_of { return $json->decode(decode_base64url((split /\./, $_[0])[1])) }
sub forget_attempts { my $redis = $stack->redis->client; $redis->del($_) for $redis->keys('*login*'); return }
sub audits { return scalar $dbh->selectrow_array('SELECT count(*) FROM wflows.audit_logs WHERE action = ?', undef, $_[0]) }

# ---- log-in ------------------------------------------------------------------------------------------------------

my $r = login('Ana@ACME.example', $first);
is($r->{status}, 200, 'a person logs in, whatever the letters of the address') or diag($r->{body});
my $in = $r->{json};
is("$in->{token_type} $in->{expires_in} $in->{refresh_expires_in}", 'Bearer 600 172800', 'for as long as the directives say');
is($r->{headers}{'cache-control'}, 'no-store', 'nobody on the way keeps the tokens');
my $claims = claims_of($in->{access_token});
is_deeply([@$claims{qw(sub tenant_id)}, $claims->{exp} - $claims->{iat}, $claims->{roles}[0]], [$ana->{id}, $acme, 600, 'admin'], 'the token says who, where and how long');
$r = me($in->{access_token});
is($r->{status}, 200, '/me knows them');
is_deeply([@{ $r->{json} }{qw(user_id email role company_slug kind)}], [$ana->{id}, 'ana@acme.example', 'admin', 'acme', 'token'], 'and tells them who they are');
is($r->{json}{companies}[0]{slug}, 'acme', 'and where');
is($platform->as(token => $in->{access_token})->get("/companies/$acme/users")->{status}, 200, 'the token opens what the role opens');
is($platform->as(token => $in->{access_token})->get("/companies/$other/users")->{status}, 404, 'and no other company');
is(audits('user.logged_in'), 1, 'it is in the audit log');

my $wrong = problem(login('ana@acme.example', $second), 401, 'wrong_password', 'a wrong password');
my $unknown = problem(login('nobody@acme.example', $first), 401, 'wrong_password', 'and somebody unknown');
delete $_->{json}{request_id} for $wrong, $unknown;
is_deeply($unknown->{json}, $wrong->{json}, 'get the same answer');
is(audits('user.login_failed'), 1, 'a failed one of a known person is in the audit log');
forget_attempts();
sub cost { my ($email) = @_; my @t = sort { $a <=> $b } map { my $t = time; login($email, $second); time - $t } 1 .. 7; return $t[3] }
my ($known_cost, $unknown_cost) = (cost('ana@acme.example'), cost('no@acme.example'));
# A refusal without the hash takes a twentieth of the time: the bound is that wide because machines are noisy.
cmp_ok($unknown_cost, '>', 0.25 * $known_cost, sprintf('at the same cost (%.1f and %.1f ms)', 1000 * $known_cost, 1000 * $unknown_cost));
is(Wflows::Api::pointers($nobody->post('/auth/login', { email => 5, pass => 'x' })), '/email /pass /password', 'what is wrong with a request is said');
is($nobody->post('/auth/login', { email => 'ana@acme.example', password => $first }, headers => { authorization => 'Bearer old.old.old' })->{status}, 200, 'an old token does not keep anybody from logging in');
$stack->ctl('user', 'add', 'inv@acme.example', '--company', 'acme');
problem(login('inv@acme.example', 'x' x 12), 401, 'wrong_password', 'who has no password does not get in');

# ---- limits --------------------------------------------------------------------------------------------------------

forget_attempts();
my @status = map { login('ana@acme.example', 'wrong ' x 3)->{status} } 1 .. 12;
is_deeply([@status[0 .. 9]], [(401) x 10], 'ten attempts on an account');
$r = login('ana@acme.example', $first);
problem($r, 429, 'rate_limited', 'then even the right password waits');
cmp_ok($r->{headers}{'retry-after'}, '>', 0, 'and is told how long');
is(login('other@acme.example', $first)->{status}, 401, 'another account is another matter');
$_ = login("someone$_\@acme.example", $first)->{status} for my @many = 1 .. 30;
is($many[-1], 429, 'until the address has tried too often');
forget_attempts();
is(login('ana@acme.example', $first)->{status}, 200, 'after a while all is well again');

# ---- refresh ---------------------------------------------------------------------------------------------------------

$in = login('ana@acme.example', $first)->{json};
my $next = refresh($in->{refresh_token});
is($next->{status}, 200, 'a refresh token is good for new ones') or diag($next->{body});
isnt($next->{json}{refresh_token}, $in->{refresh_token}, 'another refresh token');
is(claims_of($next->{json}{access_token})->{sid}, claims_of($in->{access_token})->{sid}, 'of the same log-in');
is(me($next->{json}{access_token})->{status}, 200, 'which goes on');
my $later = refresh($next->{json}{refresh_token})->{json};
is(me($later->{access_token})->{status}, 200, 'and on');
problem(refresh($in->{refresh_token}), 401, 'invalid_refresh_token', 'a token that was used before is refused');
is(me($later->{access_token})->{status}, 401, 'and ends the log-in it is of: somebody has a copy');
problem(refresh($later->{refresh_token}), 401, 'invalid_refresh_token', 'all of it');
is(audits('user.token_reused'), 1, 'which is in the audit log');
problem(refresh('wfr_' . '0' x 64), 401, 'invalid_refresh_token', 'a made-up token');
problem(refresh('x'), 401, 'invalid_refresh_token', 'and something else');
is(Wflows::Api::pointers($nobody->post('/auth/refresh', {})), '/refresh_token', 'and none');
{
    my $mine = login('ana@acme.example', $first)->{json};
    $dbh->do('UPDATE wflows.refresh_tokens SET expires_at = now() - interval \'1 second\' WHERE used_at IS NULL');
    problem(refresh($mine->{refresh_token}), 401, 'invalid_refresh_token', 'one that is too old');
    my @same = map { my $both = login('ana@acme.example', $first)->{json}; [$both, refresh($both->{refresh_token})] } 1;
    is($same[0][1]{status}, 200, 'a new log-in is not concerned');
}

# ---- log-out ------------------------------------------------------------------------------------------------------------

forget_attempts();
my ($a, $b) = map { login('ana@acme.example', $first)->{json} } 1 .. 2;
is(me($a->{access_token})->{status}, 200, 'two log-ins of a person');
is($platform->as(token => $a->{access_token})->post('/auth/logout')->{status}, 204, 'one logs out');
is(me($a->{access_token})->{status}, 401, 'its access token is not valid from that moment');
problem(refresh($a->{refresh_token}), 401, 'invalid_refresh_token', 'nor its refresh token');
is(me($b->{access_token})->{status}, 200, 'the other one goes on');
my $c = login('ana@acme.example', $first)->{json};
is($platform->as(token => $b->{access_token})->post('/auth/logout', { everywhere => \1 })->{status}, 204, 'everywhere');
is(me($_->{access_token})->{status}, 401, 'is everywhere') for $b, $c;
problem($platform->post('/auth/logout'), 409, 'no_session', 'who has not logged in cannot log out');

# ---- password -------------------------------------------------------------------------------------------------------------

($a, $b) = map { login('ana@acme.example', $first)->{json} } 1 .. 2;
my $as_a = $platform->as(token => $a->{access_token});
problem($as_a->post('/auth/password', { current_password => $second, new_password => $second }), 403, 'wrong_password', 'a new password needs the old one');
is(Wflows::Api::pointers($as_a->post('/auth/password', { current_password => $first, new_password => 'short' })), '/new_password', 'and some length');
is(Wflows::Api::pointers($as_a->post('/auth/password', { current_password => $first, new_password => 'Ana@acme.example' })), '/new_password', 'and is not the address');
is($as_a->post('/auth/password', { current_password => $first, new_password => $second })->{status}, 204, 'it is changed');
is(me($a->{access_token})->{status}, 200, 'who changed it stays logged in');
is(me($b->{access_token})->{status}, 401, 'all others are out');
problem(refresh($b->{refresh_token}), 401, 'invalid_refresh_token', 'for good');
problem(login('ana@acme.example', $first), 401, 'wrong_password', 'the old one is gone');
is(login('ana@acme.example', $second)->{status}, 200, 'the new one is good');
problem($platform->post('/auth/password', { current_password => $first, new_password => $second }), 409, 'no_password', 'a program has none');
is(audits('user.password_changed'), 1, 'it is in the audit log');

# ---- several companies ------------------------------------------------------------------------------------------------------

forget_attempts();
$stack->ctl('user', 'add', 'ana@acme.example', '--company', 'other', '--role', 'leitura');
my $both = login('ana@acme.example', $second)->{json};
is(claims_of($both->{access_token})->{tenant_id}, undef, 'who is in several companies names one later');
is(me($both->{access_token})->{status}, 200, '/me works without');
is_deeply([sort map { $_->{slug} } @{ me($both->{access_token})->{json}{companies} }], [qw(acme other)], 'and says which there are');
problem($platform->as(token => $both->{access_token})->get("/companies/$acme"), 400, 'tenant_needed', 'the rest asks for X-Tenant');
is($platform->as(token => $both->{access_token}, headers => { 'x-tenant' => 'other' })->get('/me')->{json}{role}, 'leitura', 'each company has its role');
my $named = login('ana@acme.example', $second, more => { tenant => 'other' })->{json};
is(me($named->{access_token})->{json}{company_slug}, 'other', 'or at log-in');
is(me(refresh($named->{refresh_token})->{json}{access_token})->{json}{company_slug}, 'other', 'which lasts');
is(me(login('ana@acme.example', $second, headers => { 'x-tenant' => $acme })->{json}{access_token})->{json}{company_slug}, 'acme', 'by the header too');
problem(login('ana@acme.example', $second, more => { tenant => 'third' }), 401, 'wrong_password', 'a company that they are not in is a wrong log-in');
is($platform->as(token => $both->{access_token})->post('/auth/logout', { everywhere => \1 })->{status}, 204, 'logging out everywhere');
is(me($named->{access_token})->{status}, 401, 'is of all companies');

# ---- Redis lost -----------------------------------------------------------------------------------------------------------------

my $last = login('ana@acme.example', $second, more => { tenant => 'acme' })->{json};
my $as_last = $platform->as(token => $last->{access_token});
my $key = $stack->ctl('api-key', 'new', '--company', 'acme', '--name', 'k', '--scope', 'read:companies')->{key};
$stack->{known_secrets}{'API key k'} = $key;
my $gone = login('ana@acme.example', $second)->{json};
$platform->as(token => $gone->{access_token}, headers => { 'x-tenant' => 'acme' })->post('/auth/logout');
my $redis_text = join("\n", map { my $k = $_; my $type = $stack->redis->client->type($k);
    $k, $type eq 'hash' ? $stack->redis->client->hgetall($k) : $type eq 'string' ? $stack->redis->client->get($k) : () } $stack->redis->client->keys('*'));
$stack->redis->stop;
is($nobody->post('/auth/login', { email => 'ana@acme.example', password => $second })->{status}, 503, 'without Redis nobody can count attempts: nobody logs in');
is($as_last->get('/me')->{status}, 200, 'who is in stays in');
is(me($gone->{access_token})->{status}, 401, 'who was out stays out: PostgreSQL knows');
is($platform->as_key($key)->get("/companies/$acme")->{status}, 200, 'an API key is checked against PostgreSQL');
is($platform->as_key($key =~ s/.$/x/r)->get("/companies/$acme")->{status}, 401, 'and a wrong one is wrong');
$stack->redis->start;
ok(wait_until(10, sub { login('ana@acme.example', $second)->{status} == 200 }), 'with Redis back they log in again');

# ---- what is kept -------------------------------------------------------------------------------------------------------------------

my $dump = join("\n", map { my $t = $_; map { join ' ', map { $_ // '' } @$_ } @{ $dbh->selectall_arrayref("SELECT t::text FROM wflows.$t t") } }
    qw(users user_sessions refresh_tokens api_keys api_key_addresses audit_logs outbox));
push @secrets, $key;
is(scalar(grep { index($dump, $_) >= 0 } @secrets), 0, 'no password, token or key is in the database');
is(scalar(grep { index($redis_text, $_) >= 0 } @secrets), 0, 'or in Redis');
unlike($redis_text, qr/ana\@acme/, 'which has no address of a person either');
my $log = read_file($stack->httpd->{error_log});
is(scalar(grep { index($log, $_) >= 0 } @secrets), 0, 'or in the error log');
$dbh->do("UPDATE wflows.user_sessions SET expires_at = now() - interval '8 days'");

errlog_ok($stack, ignore => [qw(WF0052 WF0094 WF0100)]);
done_testing();
