#!/usr/bin/perl
# The manners of /api/v2, whatever the resource: what bad input gets, conditional requests, preferences, browsers on
# other origins, lists, requests that come twice.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Test::More;
use Wflows::Api;
use Wflows::Test qw(errlog_ok need start_stack);

need('pg', 'redis', 'httpd');

my $stack = start_stack(httpd => { main => "WflowsAdminBodyMax 20000\nWflowsAdminCorsOrigin https://manager.example" });
my $api = Wflows::Api->new($stack);
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $dbh = $stack->dbh;
my $made = $api->must('POST', '/companies', { slug => 'acme', name => 'Acme' });
my $id = $made->{id};
my $second = $api->must('POST', '/companies', { slug => 'second', name => 'Second' })->{id};
my $nobody = '01890a5d-ac96-774b-bcce-b302099a8057';

# Status and code of a problem, which must be one.
sub problem {
    my ($r, $status, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $p = $r->{json} // {};
    my $is = ($r->{headers}{'content-type'} // '') eq 'application/problem+json' && $p->{status} == $r->{status}
        && ($p->{request_id} // '') eq $r->{headers}{'x-request-id'} && defined $p->{title} && defined $p->{detail};
    is($is ? "$r->{status} $p->{code}" : "no problem document: $r->{status} $r->{body}", "$status $code", $name);
    return $r;
}

# ---- the path and the method -----------------------------------------------------------------------------------------

problem($api->get('/nothing'), 404, 'not_found', 'a path that leads nowhere');
problem($api->get("/companies/$id/"), 404, 'not_found', 'a slash behind a resource is another path');
problem($api->get("/companies/$nobody"), 404, 'not_found', 'a company that is not there');
my $r = problem($api->get('/companies/acme'), 404, 'not_found', 'an id that is no UUID');
like($r->{json}{detail}, qr/companyId: not a UUID/, 'is named');
is($api->get('/companies/' . uc $id)->{json}{slug}, 'acme', 'a UUID in capitals is the same');
is($api->get("/companies/$id%00")->{status}, 404, 'no NUL goes in by a path');
problem($api->get('/plans/%ff'), 404, 'not_found', 'nor what is no UTF-8');
$r = problem($api->call('DELETE', '/companies', undef), 405, 'method_not_allowed', 'a method that the resource has not');
is($r->{headers}{allow}, 'GET, HEAD, POST, OPTIONS', 'Allow says which it has');
problem($api->call('PROPFIND', '/companies', undef), 405, 'method_not_allowed', 'a method that no resource has');
$r = $api->options("/companies/$id");
is("$r->{status} $r->{headers}{allow}", '204 GET, HEAD, PUT, PATCH, DELETE, OPTIONS', 'OPTIONS tells the same');
is($api->as_nobody->options("/companies/$id")->{status}, 204, 'to anybody');
$r = $api->head("/companies/$id");
is("$r->{status} " . length($r->{body}) . ' ' . $r->{headers}{etag}, "200 0 " . $api->get("/companies/$id")->{etag}, 'HEAD is GET without a body');
is($r->{headers}{'content-length'}, length($api->get("/companies/$id")->{body}), 'and says its length');
problem($api->as_nobody->get('/companies'), 401, 'unauthorized', 'nobody gets nothing');
problem($api->as(claims => { exp => time - 3600 })->get('/companies'), 401, 'invalid_credentials', 'an expired token is none');

# ---- the body ----------------------------------------------------------------------------------------------------------

$r = problem($api->post('/companies', "{\"slug\": \"x\",\n  \"name\": nope}"), 400, 'bad_request', 'a body that is not JSON');
like($r->{json}{detail}, qr/line 2\b.*column 11\b/, 'is told by line and column');
problem($api->post('/companies', ''), 400, 'bad_request', 'an empty body');
problem($api->post('/companies', "{\"name\": \"\xff\"}"), 400, 'bad_request', 'invalid UTF-8');
problem($api->post('/companies', '{"a":' x 200), 400, 'bad_request', 'nesting without an end');
problem($api->post('/companies', '{} {}'), 400, 'bad_request', 'two bodies in one');
$r = problem($api->post('/companies', '[]'), 422, 'invalid', 'JSON that is no object');
problem($api->post('/companies', 'slug=x', type => 'application/x-www-form-urlencoded'), 415, 'unsupported_media_type', 'another type');
problem($api->post('/companies', '{}', headers => { 'content-encoding' => 'gzip' }), 415, 'unsupported_encoding', 'a packed body');
problem($api->post('/companies', '{"name": "' . 'x' x 20000 . '"}'), 413, 'body_too_large', 'a body that is too large');
problem($api->get('/companies', headers => { accept => 'text/html' }), 406, 'not_acceptable', 'an answer that is not to be had');
problem($api->get('/companies', headers => { accept => 'application/json;q=0, text/*' }), 406, 'not_acceptable', 'or was ruled out');
is($api->get('/companies', headers => { accept => 'text/html, application/*;q=0.5' })->{status}, 200, 'a range that takes JSON will do');
$r = problem($api->post('/companies', { slug => "a\0b", name => "N\0ul", display_name => 'x' x 201, email => 5, phone => [], max_flows => 1.5,
    max_monthly_messages => '12', settings => 'none', "un\nknown" => 1, more => 1 }), 422, 'invalid', 'every field that is wrong');
is(Wflows::Api::pointers($r), ' /display_name /email /max_flows /max_monthly_messages /more /name /phone /settings /slug', 'is named at once');
$r = problem($api->post('/companies', '{"slug": "big", "name": "B", "max_flows": 1e30, "max_monthly_messages": 99999999999999999999}'), 422, 'invalid', 'numbers out of range');
is(Wflows::Api::pointers($r), '/max_flows /max_monthly_messages', 'are named');
is($api->post('/companies', { slug => 'emoji', name => "Caf\x{e9} \x{1f600}" })->{json}{name}, "Caf\x{e9} \x{1f600}", 'text is any text');
problem($api->post('/companies', { slug => 'acme', name => 'A' }), 409, 'slug_taken', 'a conflict has a name');

# ---- versions -----------------------------------------------------------------------------------------------------------

my $etag = $api->get("/companies/$id")->{etag};
problem($api->put("/companies/$id", { name => 'A' }), 428, 'precondition_required', 'where If-Match is needed, it is said');
problem($api->patch("/companies/$id", { name => 'B' }, if_match => '"other"'), 412, 'precondition_failed', 'a version that is gone');
problem($api->patch("/companies/$id", { name => 'B' }, if_match => "W/$etag"), 412, 'precondition_failed', 'a weak tag matches nothing');
problem($api->patch("/companies/$id", { name => 'B' }, if_match => 'rubbish'), 412, 'precondition_failed', 'nor does rubbish');
is($api->patch("/companies/$id", { name => 'B' }, if_match => "\"x\", $etag")->{status}, 200, 'one of a list is enough');
is($api->patch("/companies/$id", { name => 'Acme' }, if_match => '*')->{status}, 200, 'a star is any version');
$r = $api->get("/companies/$id");
is($r->{headers}{'cache-control'}, 'private, no-cache', 'a resource may be kept by its caller, and is asked for again');
$r = $api->get("/companies/$id", headers => { 'if-none-match' => "\"x\", $r->{etag}" });
is("$r->{status} " . length $r->{body}, '304 0', 'what the caller has is not sent');
is($api->get('/companies')->{headers}{'cache-control'}, 'no-store', 'a list is not kept');

# ---- preferences, browsers ------------------------------------------------------------------------------------------------

$r = $api->patch("/companies/$id", { name => 'Acme' }, headers => { prefer => 'respond-async, return=minimal' });
is("$r->{status} " . length($r->{body}) . " $r->{headers}{'preference-applied'}", '204 0 return=minimal', 'an answer may be left out');
$r = $api->post('/companies', { slug => 'minimal', name => 'M' }, headers => { prefer => 'return=minimal' });
ok($r->{status} == 201 && $r->{body} eq '' && $r->{headers}{location}, 'where it is, is said all the same');
$r = $api->get('/companies', headers => { origin => 'https://manager.example' });
is($r->{headers}{'access-control-allow-origin'}, 'https://manager.example', 'a page of a named origin may read');
like($r->{headers}{'access-control-expose-headers'}, qr/\bETag\b.*\bIdempotent-Replayed\b/, 'headers too');
ok(!exists $api->get('/companies', headers => { origin => 'https://evil.example' })->{headers}{'access-control-allow-origin'}, 'one of another may not');
$r = $api->as_nobody->options('/companies', headers => { origin => 'https://manager.example', 'access-control-request-method' => 'POST' });
is("$r->{status} $r->{headers}{'access-control-allow-methods'}", '204 GET, HEAD, POST, OPTIONS', 'a browser is told what it may');
like($r->{headers}{'access-control-allow-headers'}, qr/Authorization.*If-Match.*Idempotency-Key/, 'and which headers');
is($api->as_nobody->get('/companies', headers => { origin => 'https://manager.example' })->{headers}{'access-control-allow-origin'},
    'https://manager.example', 'a refusal can be read too');

# ---- lists -------------------------------------------------------------------------------------------------------------------

$r = $api->get('/companies', query => { limit => 2, sort => 'slug' });
is(join(' ', map { $_->{slug} } @{ $r->{json}{data} }), 'acme emoji', 'a page');
my $next = $r->{json}{next_cursor};
$r = $api->get('/companies', query => { limit => 2, sort => 'slug', cursor => $next });
is(join(' ', map { $_->{slug} } @{ $r->{json}{data} }), 'minimal second', 'the next one');
is($r->{json}{next_cursor}, undef, 'the last one says so');
for my $case (['limit=0', '?limit'], ['limit=101', '?limit'], ['limit=x', '?limit'], ['limit=', '?limit'], ['sort=name', '?sort'],
    ['cursor=rubbish', '?cursor'], ["cursor=$next", '?cursor'], ['status=asleep', '?status'], ['colour=red', '?colour'],
    ['limit=1&limit=2', '?limit'], ['status=%ff', '?status'], ['subscription_plan=%00', '?subscription_plan'],
    ['limit=0&sort=x&colour=1', '?colour'], ['limit=0&sort=x&cursor=%21', '?cursor ?limit ?sort']) {
    my $got = problem($api->get("/companies?$case->[0]"), 422, 'invalid', "?$case->[0]");
    is(Wflows::Api::pointers($got), $case->[1], 'is named');
}

# ---- requests that come twice ---------------------------------------------------------------------------------------------------

my %once = (slug => 'once', name => 'Once');
$r = $api->post('/companies', \%once, key => 'k-1');
is($r->{status}, 201, 'a request with a key is done');
ok(!exists $r->{headers}{'idempotent-replayed'}, 'the first time');
my $again = $api->post('/companies', \%once, key => 'k-1');
is_deeply([@$again{qw(status body etag)}, $again->{headers}{location}], [@$r{qw(status body etag)}, $r->{headers}{location}], 'then it is answered as before');
is($again->{headers}{'idempotent-replayed'}, 'true', 'and says so');
is(scalar @{ $api->get('/companies', query => { limit => 100 })->{json}{data} }, 5, 'and is done once');
problem($api->post('/companies', { %once, name => 'Other' }, key => 'k-1'), 422, 'idempotency_key_reused', 'the key of another request');
problem($api->as(sub => 'somebody-else')->post('/companies', \%once, key => 'k-1'), 409, 'slug_taken', 'another caller\'s keys are other keys');
$r = $api->post('/companies', { slug => 'once', name => 'O' }, key => 'k-2');
is($r->{status}, 409, 'what was refused');
$again = $api->post('/companies', { slug => 'once', name => 'O' }, key => 'k-2');
is("$again->{status} $again->{headers}{'idempotent-replayed'} $again->{headers}{'content-type'}", '409 true application/problem+json', 'is refused again');
is($again->{body}, $r->{body}, 'in the same words');
problem($api->post('/companies', \%once, key => 'x' x 256), 400, 'idempotency_key_invalid', 'a key has its bounds');
problem($api->post('/companies', '{"slug": 1', key => 'k-3'), 400, 'bad_request', 'what could not be read');
is($api->post('/companies', { slug => 'third', name => 'T' }, key => 'k-3')->{status}, 201, 'leaves its key free');
is($api->post('/companies', { slug => 'minimal2', name => 'M' }, key => 'k-4', headers => { prefer => 'return=minimal' })->{body}, '', 'a preference');
is($api->post('/companies', { slug => 'minimal2', name => 'M' }, key => 'k-4')->{json}{slug}, 'minimal2', 'is not remembered with the answer');

# A request that is at work, and one whose server died.
$dbh->do(q{UPDATE wflows.idempotency_keys SET status = 'in_flight', lease_until = now() + interval '1 minute' WHERE key = 'k-1'});
problem($api->post('/companies', \%once, key => 'k-1'), 409, 'idempotency_key_in_flight', 'a request that is still at work');
$dbh->do(q{UPDATE wflows.idempotency_keys SET lease_until = now() - interval '1 second' WHERE key = 'k-1'});
problem($api->post('/companies', { %once, name => 'Other' }, key => 'k-1'), 422, 'idempotency_key_reused', 'after its lease it is still not another one\'s');
problem($api->post('/companies', \%once, key => 'k-1'), 409, 'slug_taken', 'but may be tried again at once');
cmp_ok($dbh->selectrow_array(q{SELECT extract(epoch FROM max(lease_until - created_at)) FROM wflows.idempotency_keys}), '<', 120, 'a lease is short');
$dbh->do(q{UPDATE wflows.idempotency_keys SET expires_at = now() - interval '1 second' WHERE key = 'k-1'});
problem($api->post('/companies', { slug => 'second', name => 'S' }, key => 'k-1'), 409, 'slug_taken', 'after a day a key is free');

# What is shown once is shown again to who lost the answer, and lies nowhere in clear.
my $admin = $api->as(role => 'admin', company => $id);
$r = $admin->post("/companies/$id/api-keys", { name => 'ci', scopes => ['read:flows'] }, key => 'k-9');
is($r->{status}, 201, 'an API key is made') or diag($r->{body});
my ($secret) = $r->{body} =~ /(wfk_\w+)/;
ok($secret, 'and shown');
is($admin->post("/companies/$id/api-keys", { name => 'ci', scopes => ['read:flows'] }, key => 'k-9')->{body}, $r->{body}, 'the same one is shown again');
is(scalar @{ $admin->get("/companies/$id/api-keys")->{json}{data} }, 1, 'there is one');
my ($kept) = $dbh->selectrow_array(q{SELECT response_body FROM wflows.idempotency_keys WHERE key = 'k-9'});
like($kept, qr/^wf1:/, 'what is remembered of it is sealed');
$stack->{known_secrets}{'API key'} = $secret;

# Nobody can be asked twice: while PostgreSQL is away nothing is begun.
$stack->pg->stop;
problem($api->post('/companies', { slug => 'away', name => 'A' }, key => 'k-10'), 503, 'unavailable', 'without PostgreSQL nothing is begun');
$stack->pg->start;
my $up;
for (1 .. 40) { $up = $api->post('/companies', { slug => 'away', name => 'A' }, key => 'k-10'); last if $up->{status} != 503; sleep 1 }
is($up->{status}, 201, 'and the same key is good when it is back');

errlog_ok($stack, ignore => [qr/WF\d{4}: PostgreSQL/, 'WF3030', qr/server closed the connection|terminating connection/]);
done_testing();
