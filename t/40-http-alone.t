#!/usr/bin/perl
# httpd whose PostgreSQL and Redis were never there: it starts, says how it is, answers 503 at once, and its
# access log in JSON (conf/wflows.conf) is JSON whatever is asked for.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use File::Temp qw(tempdir);
use HTTP::Tiny;
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(time);
use Wflows::Httpd;
use Wflows::Process qw(free_port read_file wait_until write_file);
use Wflows::Test qw(need);

need('httpd');

my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;
my $key = write_file("$dir/key", encode_base64('k' x 32, ''), 0400);
my $nobody = free_port();
my $httpd = Wflows::Httpd->new(dir => "$dir/httpd", modules_dir => "$ENV{WF_BUILDDIR}/.libs", main => <<"CONF");
Include $ENV{WF_SRCDIR}/conf/wflows.conf
CustomLog access.json wflows_json env=WFLOWS_REQUEST_ID
WflowsDB "host=$dir/none dbname=wflows user=wflows_app"
WflowsRedis redis://127.0.0.1:$nobody/0
WflowsKey k1 file:$key
WflowsTenant On
WflowsFlowBodyMax 64K
<Location "/elsewhere/health">
    SetHandler wflows-health
</Location>
Header always set Strict-Transport-Security max-age=60
CONF
$httpd->start;
END { $httpd->stop if $httpd }

my $json = Cpanel::JSON::XS->new->utf8;
my $http = HTTP::Tiny->new(timeout => 10, max_redirect => 0);
sub get { my ($path, %h) = @_; return $http->get($httpd->url($path), { headers => \%h }) }
sub post { my ($path, $body, %h) = @_; return $http->post($httpd->url($path), { content => $body, headers => \%h }) }

# ---- health ----------------------------------------------------------------------------------------------------

is(get('/health/live')->{status}, 200, 'the process lives');
my $r = get('/health/ready');
is($r->{status}, 503, 'and is not ready');
my $health = $json->decode($r->{content});
is($health->{status}, 'down', 'because it is down');
is_deeply([map { $health->{checks}{$_}{status} } qw(postgresql redis schema)], [qw(down down down)], 'in every part');
unlike($r->{content}, qr/\Q$dir\E|$nobody/, 'and does not tell where its servers are');
is(get('/elsewhere/health')->{status}, 503, 'health may be put elsewhere with SetHandler');
is(get('/elsewhere/health/live')->{status}, 200, 'with its parts');

# ---- refusals -----------------------------------------------------------------------------------------------------

my $begun = time;
$r = post('/company/acme/flows/endpoint/booking', '{}');
is($r->{status}, 503, 'without PostgreSQL a flow request is 503');
cmp_ok(time - $begun, '<', 5, 'in time');
like($r->{headers}{'retry-after'}, qr/^[1-9]\d*$/, 'with Retry-After');
is($r->{headers}{'content-type'}, 'application/problem+json', 'as a problem');
is($r->{headers}{'strict-transport-security'}, 'max-age=60', 'and with the headers that the operator wants always');
is($r->{headers}{'x-company-id'}, undef, 'and no tenant');
my $problem = $json->decode($r->{content});
is_deeply([@$problem{qw(status code title)}], [503, 'unavailable', 'Service Unavailable'], 'the problem says what httpd says');
is($problem->{request_id}, $r->{headers}{'x-request-id'}, 'and the id that is in the header');
is(get('/company/acme/anything')->{status}, 503, 'nor does anything else of a tenant get through');
is(post('/company/NoSlug/flows/endpoint/booking', '{}')->{status}, 404, 'what needs no database is refused without one');

# ---- request ids, traces --------------------------------------------------------------------------------------------

for my $id ('short', 'x' x 129, 'with space in it', 'quote"quote"') {
    my $got = get('/health/live', 'x-request-id' => $id)->{headers}{'x-request-id'};
    like($got, qr/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, 'a strange request id is replaced');
}
is(get('/health/live', 'x-request-id' => 'A.b_c-1234')->{headers}{'x-request-id'}, 'A.b_c-1234', 'a sane one is kept');

# ---- the access log ----------------------------------------------------------------------------------------------------

my $trace = '0af7651916cd43dd8448eb211c80319c';
get('/company/acme/traced', traceparent => "00-$trace-b7ad6b7169203331-01", 'x-request-id' => 'trace-good');
get('/company/acme/traced', traceparent => "00-$trace-0000000000000000-01", 'x-request-id' => 'trace-bad1');
get("/company/acme/%22quoted%22/%5Cback/%C3%A9/%FF/%01", 'x-request-id' => 'strange-path');
get('/company/acme/x', 'x-request-id' => 'the-last-one');
my %line;
ok(wait_until(10, sub {
    %line = map { my $l = eval { $json->decode($_) }; $l ? ($l->{request_id} => $l) : ("not JSON: $_" => 1) }
        split(/\n/, read_file("$dir/httpd/access.json"));
    $line{'the-last-one'};
}), 'requests are in the access log');
is_deeply([grep { /^not JSON/ } keys %line], [], 'each line is a JSON object, whatever was asked for');
is($line{'strange-path'}{status}, 503, 'with the status');
is($line{'strange-path'}{path}, '/company/acme/%22quoted%22/%5cback/%c3%a9/%ff/%01', 'and the path, escaped');
is($line{'trace-good'}{trace_id}, $trace, 'the caller\'s trace goes on');
like($line{'trace-bad1'}{trace_id}, qr/^(?!$trace)[0-9a-f]{32}$/, 'a broken one is not taken over: a new one begins');

# ---- sizes -----------------------------------------------------------------------------------------------------------------

is(get('/metrics')->{status}, 200, 'the figures are there');
is(post('/metrics', '')->{status}, 405, 'to be read');
is(post('/metrics', '')->{headers}{allow}, 'GET, HEAD', 'and says so');

done_testing();
