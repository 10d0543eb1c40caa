#!/usr/bin/perl
# mod_wflows_tenant in a real httpd: who a request is for, who is refused and how, limits, health, metrics, request
# ids, what other parts of the server see of it, and what it leaves alone.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use HTTP::Tiny;
use Test::More;
use Time::HiRes qw(sleep time);
use Wflows::Backend;
use Wflows::Process qw(free_port read_file wait_until write_file);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok metric need refused start_stack);

need('pg', 'redis', 'httpd');

my ($backend_port, $other_port) = (free_port(), free_port());
my $stack = start_stack(bare => 1, httpd => { main => <<"CONF" });
WflowsTenant On
LogFormat "%>s %m %U company=%{WFLOWS_COMPANY}e/%{WFLOWS_COMPANY_ID}e account=%{WFLOWS_ACCOUNT_ID}e id=%{WFLOWS_REQUEST_ID}e" wflows
CustomLog access.log wflows
<Location "/metrics">
    Require ip 127.0.0.1
</Location>
<LocationMatch "^/company/[^/]+/shop">
    RequestHeader set X-Company "expr=%{reqenv:WFLOWS_COMPANY}"
    RequestHeader set X-Company-Key "expr=%{reqenv:WFLOWS_COMPANY_ID}"
</LocationMatch>
ProxyPassMatch "^/company/[^/]+/shop(/.*)?\$" "http://127.0.0.1:$backend_port/shop\$1"
<Location "/server-status">
    SetHandler server-status
</Location>
<Location "/plain">
    WflowsTenant Off
</Location>
Listen 127.0.0.1:$other_port
<VirtualHost 127.0.0.1:$other_port>
    WflowsTenant Off
    DocumentRoot htdocs
</VirtualHost>
CONF
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $http = HTTP::Tiny->new(timeout => 10, max_redirect => 0);
my @booking = ('demo/appointment.json', 'demo/appointment.logic.json');
my $acme = Wflows::Tenant->add($stack, slug => 'acme', name => 'Acme Very Private Ltd', flows => { booking => \@booking });
my $client = $acme->client(flow => 'booking');

sub get { my ($path, %o) = @_; return $http->get($stack->httpd->url($path), { headers => $o{headers} // {} }) }
sub post { my ($path, %o) = @_; return $http->post($stack->httpd->url($path), { content => '{}', headers => $o{headers} // {} }) }

# ---- who it is for ------------------------------------------------------------------------------------------------

is($client->ping->{status}, 200, 'a company is found by its path, without any configuration that names it');
my $unknown = post('/company/nobody/flows/endpoint/booking');
is($unknown->{status}, 404, 'an unknown slug is 404');
my $shape = sub { my ($r) = @_; my $p = eval { $json->decode($r->{content}) } // {}; delete @$p{qw(request_id instance)};
    return $json->encode({ status => $r->{status}, type => $r->{headers}{'content-type'}, body => $p }) };
for my $path ('/company/Acme/flows/endpoint/booking', '/company/acme-/flows/endpoint/booking', '/company/-acme/flows/endpoint/booking',
    '/company/a_b/flows/endpoint/booking', '/company//flows/endpoint/booking', '/company/' . 'a' x 64 . '/flows/endpoint/booking',
    '/company/acme%00/flows/endpoint/booking', '/company/%61cm/flows/endpoint/booking', '/company/acme/nothing/here', '/company/acme',
    '/company/acme/', '/company/', '/company/acme/flows', '/company/acme/account', '/company/acme/account/x/flows/endpoint/booking',
    '/company/acme/account/00000000-0000-4000-8000-000000000000/flows/endpoint/booking', '/company/acme/flows/endpoint/a/b') {
    my $r = post($path);
    is($r->{status}, 404, "404: $path");
    unlike($r->{content}, qr/Acme Very Private|\Q$acme->{id}\E/, 'which tells an outsider nothing');
}
is($shape->(post('/company/acme/account/00000000-0000-4000-8000-000000000000/flows/endpoint/booking')), $shape->($unknown),
    'an unknown account looks like an unknown company');
like($unknown->{headers}{'content-type'}, qr{^application/problem\+json}, 'errors are problem details');
is($json->decode($unknown->{content})->{request_id}, $unknown->{headers}{'x-request-id'}, 'with the request id of the header');
is($unknown->{headers}{'x-company-id'}, undef, 'and no company');

my $by_header = post('/flows/endpoint/booking', headers => { 'x-company-slug' => 'acme' });
is($by_header->{status}, 404, 'a header names no company unless WflowsTenantFrom says so');

# ---- who is refused --------------------------------------------------------------------------------------------------

$stack->ctl('company', 'suspend', 'acme', '--reason', 'unpaid since 2029');
my $r = refused($client->ping, 403, 'a suspended company is refused, at once');
unlike($r->{body}, qr/unpaid|suspend/i, 'without saying why');
$stack->ctl('company', 'activate', 'acme');
is($client->ping->{status}, 200, 'an activated one is served, at once');
$stack->ctl('account', 'set', 'main', '--company', 'acme', '--status', 'suspended');
refused($client->ping, 403, 'an account that is not active is refused');
$stack->ctl('account', 'set', 'main', '--company', 'acme', '--status', 'active');
is($client->ping->{status}, 200, 'and served again');
my $gone = Wflows::Tenant->add($stack, slug => 'gone', flows => { booking => \@booking });
is($gone->client(flow => 'booking')->ping->{status}, 200, 'a company');
$stack->ctl('company', 'remove', 'gone', '--yes');
refused($gone->client(flow => 'booking')->ping, 404, 'is not there any more when it is removed');
my $reborn = Wflows::Tenant->add($stack, slug => 'gone', flows => { booking => \@booking });
is($reborn->client(flow => 'booking')->ping->{headers}{'x-company-id'}, $reborn->{id}, 'and its slug is free again');
refused($gone->client(flow => 'booking')->ping, 421, 'for somebody else, with another key');

# ---- limits -------------------------------------------------------------------------------------------------------------

sub statuses { my ($c, $n) = @_; my %s; $s{ $c->ping->{status} }++ for 1 .. $n; return \%s }

my $limited = Wflows::Tenant->add($stack, slug => 'limited', settings => { rate_limit => { max_requests => 5, window_ms => 60_000 } }, flows => { booking => \@booking });
my $c = $limited->client(flow => 'booking');
is_deeply(statuses($c, 8), { 200 => 5, 429 => 3 }, 'a company\'s rate limit admits what it says and no more');
$r = $c->ping;
is($r->{status}, 429, 'then 429');
like($r->{headers}{'retry-after'} // '', qr/^\d+$/, 'with Retry-After');
cmp_ok($r->{headers}{'retry-after'} // 0, '<=', 60, 'within the window');
like($r->{headers}{ratelimit} // '', qr/r=0/, 'with RateLimit: nothing remains');
like($r->{headers}{'ratelimit-policy'} // '', qr/q=5.*w=60|w=60.*q=5/, 'and RateLimit-Policy: 5 in 60 seconds');
is(eval { $json->decode($r->{body})->{code} }, 'rate_limited', 'and its code');
is($client->ping->{status}, 200, 'another company does not notice');

my $narrow = Wflows::Tenant->add($stack, slug => 'narrow', accounts => [{ name => 'one', rate => '3/60s' }, { name => 'two' }], flows => { booking => \@booking });
is_deeply(statuses($narrow->client(flow => 'booking', account => 'one'), 5), { 200 => 3, 429 => 2 }, 'an account\'s rate limit');
is($narrow->client(flow => 'booking', account => 'two')->ping->{status}, 200, 'is only its own');

my $short = Wflows::Tenant->add($stack, slug => 'short', accounts => [{ name => 'main', rate => '2/1s' }], flows => { booking => \@booking });
$c = $short->client(flow => 'booking');
is_deeply(statuses($c, 4), { 200 => 2, 429 => 2 }, 'two a second');
sleep 1.1;
is_deeply(statuses($c, 3), { 200 => 2, 429 => 1 }, 'and two more in the next');

my $poor = Wflows::Tenant->add($stack, slug => 'poor', options => ['--max-monthly-messages', 4], flows => { booking => \@booking });
$c = $poor->client(flow => 'booking');
my $message = 0;
my $message_status = sub { return $c->init(token => 'tok-quota-' . ++$message)->{status} };
my %quota;
$quota{ $message_status->() }++ for 1 .. 6;
is_deeply(\%quota, { 200 => 4, 429 => 2 }, 'the monthly quota is counted in messages');
$r = $c->init(token => 'tok-quota-over');
is(eval { $json->decode($r->{body})->{code} }, 'quota_exceeded', 'has a code of its own');
$stack->redis->client->flushall;
ok(wait_until(15, sub { ($stack->dbh->selectrow_array('SELECT sum(n) FROM wflows.usage_counters WHERE company_id = ?', undef, $poor->{id}) // 0) >= 4 }),
    'what was used is in PostgreSQL') or diag('usage_counters: ' . ($stack->dbh->selectrow_array('SELECT sum(n) FROM wflows.usage_counters WHERE company_id = ?', undef, $poor->{id}) // 'none'));
$stack->redis->client->flushall;
$message_status->(); # finds no counter, and has it made from PostgreSQL
is($message_status->(), 429, 'so that a flushed Redis does not give the quota back');
my %refused = map { $_ => metric($stack, 'wflows_limit_refusals_total', "scope=\"$_\"") } qw(company account quota);
is_deeply([$refused{company}, $refused{account} >= 5 ? 1 : 0, $refused{quota} >= 3 ? 1 : 0], [4, 1, 1], 'refusals are counted by scope') or diag(explain(\%refused));

# ---- health, metrics ----------------------------------------------------------------------------------------------------

for my $path ('/health', '/health/live', '/health/ready') {
    $r = get($path);
    is($r->{status}, 200, "$path is 200");
    is($json->decode($r->{content})->{status}, 'ok', 'and says ok, in JSON');
    ok(length($r->{headers}{'x-request-id'} // ''), 'with a request id');
}
is(post('/health')->{status}, 405, 'health is read only');
is(get('/health/nothing')->{status}, 404, 'and has no other parts');
my $ready = $json->decode(get('/health/ready')->{content});
unlike($json->encode($ready), qr/password|\Q$stack->{dir}\E/, 'and tells no connection strings');

my $metrics = get('/metrics');
is($metrics->{status}, 200, '/metrics');
like($metrics->{headers}{'content-type'}, qr{^text/plain; version=0\.0\.4}, 'in the Prometheus text format');
for my $name (qw(wflows_requests_total wflows_request_duration_seconds_bucket wflows_crypto_failures_total wflows_cache_total
    wflows_exchanges_total wflows_rsa_private_operations_total wflows_limit_refusals_total wflows_sessions_total)) {
    like($metrics->{content}, qr/^$name[ {]/m, "has $name");
}
my %typed;
my @faults;
for my $line (split /\n/, $metrics->{content}) {
    if ($line =~ /^# TYPE (\S+) (counter|gauge|histogram)$/) { push @faults, "TYPE of $1 twice" if $typed{$1}++; next }
    next if $line =~ /^# HELP \S+ \S/;
    my ($name) = $line =~ /^([a-z_]+)(?:\{(?:[a-z_]+="[^"\n]*",?)*\})? [-+]?[\d.eE+-]+(?:Inf)?$/ or push(@faults, "no sample: $line"), next;
    (my $base = $name) =~ s/_(?:bucket|sum|count)$//;
    push @faults, "no TYPE: $name" unless $typed{$name} || $typed{$base};
}
is_deeply(\@faults, [], 'and is well-formed');
$client->ping for 1 .. 3;
my $more = get('/metrics')->{content};
my ($was, $is) = map { /^wflows_exchanges_total\{action="ping"\} (\d+)/m ? $1 : 0 } $metrics->{content}, $more;
is($is - $was, 3, 'three pings are three, whichever children answered them');
like(get('/server-status')->{content}, qr/wflows/i, 'server-status has a section');

# ---- request ids, logs ----------------------------------------------------------------------------------------------------

$r = $client->send({ version => '3.0', action => 'ping' }, headers => { 'x-request-id' => 'from-the-proxy-1' });
is($r->{headers}{'x-request-id'}, 'from-the-proxy-1', 'the caller\'s request id comes back');
my $log;
ok(wait_until(5, sub { $log = read_file($stack->httpd->{access_log}); $log =~ /id=from-the-proxy-1/ }), 'and is in the access log');
like($log, qr{^200 POST /company/acme/flows/endpoint/booking company=acme/\Q$acme->{id}\E account=\Q$acme->{accounts}{main}{id}\E id=from-the-proxy-1$}m,
    'with company and account');
like($log, qr{^404 POST /company/nobody/flows/endpoint/booking company=-/- account=- id=[\w-]+$}m, 'and without them where there are none');

# ---- the gateway -----------------------------------------------------------------------------------------------------------

my $backend = Wflows::Backend->start(port => $backend_port, log => "$stack->{dir}/shop.ndjson", answer => sub { return [200, {}, "shop $_[0]{path}"] });
$r = get('/company/acme/shop/list?x=1', headers => { 'X-Company' => 'forged', 'X-Wflows-Company' => 'forged' });
is($r->{status}, 200, 'httpd is the gateway in front of a company\'s other services');
is($r->{content}, 'shop /shop/list?x=1', 'which answer');
my ($seen) = $backend->requests;
is($seen->{headers}{'x-company'}, 'acme', 'and are told the company, whatever the caller said');
is($seen->{headers}{'x-company-key'}, $acme->{id}, 'and its id');
ok(!(grep { /^x-wflows-/ && $seen->{headers}{$_} =~ /forged/ } keys %{ $seen->{headers} }), 'what the caller said in X-Wflows-* is gone');
is($r->{headers}{'x-company-id'}, $acme->{id}, 'the reply names the company too');
my $count = $backend->requests;
is(get('/company/nobody/shop/list')->{status}, 404, 'an unknown company does not get there');
$stack->ctl('company', 'suspend', 'acme');
is(get('/company/acme/shop/list')->{status}, 403, 'nor a suspended one');
$stack->ctl('company', 'activate', 'acme');
is(scalar $backend->requests, $count, 'the service saw neither');
$backend->stop;

# ---- what is left alone -------------------------------------------------------------------------------------------------------

write_file($stack->httpd->{dir} . '/htdocs/index.html', "static\n");
mkdir $stack->httpd->{dir} . '/htdocs/' . $_ for 'company', 'company/acme', 'plain';
write_file($stack->httpd->{dir} . '/htdocs/company/acme/page.html', "a file under that name\n");
$r = get('/index.html');
is($r->{content}, "static\n", 'another URL of the server is what it was');
is_deeply([grep { /^x-(?:request|company|account)-id$|ratelimit/ } keys %{ $r->{headers} }], [], 'and carries nothing of ours');
is(get('/nothing')->{status}, 404, 'a file that is not there');
like(get('/nothing')->{headers}{'content-type'}, qr{^text/html}, 'has httpd\'s own error page');
is(get('/company/acme/page.html')->{headers}{'x-company-id'}, $acme->{id}, 'a file under a company\'s path is behind the gateway');
is(get('/company/nobody/page.html')->{status}, 404, 'as everything there');
write_file($stack->httpd->{dir} . '/htdocs/company/acme/flows', "not a route\n");
is(get('/company/acme/flows/endpoint/booking')->{status}, 405, 'and our own routes never fall through to a file');
$r = $http->get("http://127.0.0.1:$other_port/company/acme/page.html");
is($r->{content}, "a file under that name\n", 'a virtual host where it is off is left alone');
is($r->{headers}{'x-request-id'}, undef, 'completely');
is(get('/%2e%2e/%2e%2e/etc/passwd')->{status} =~ /^40[034]$/ ? 1 : 0, 1, 'no way out of the document root');

errlog_ok($stack, ignore => ['WF0420', 'AH10244']);
done_testing();
