#!/usr/bin/perl
# Callbacks through a real httpd: what is put into the outbox arrives signed, is tried again, given up, switched off,
# and one bad receiver costs nobody else anything.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Cpanel::JSON::XS ();
use Test::More;
use Time::HiRes qw(time);
use Wflows::Process qw(free_port wait_until);
use Wflows::Receiver;
use Wflows::Tenant;
use Wflows::Test qw(errlog_ok metric need start_stack);

need(qw(pg redis httpd));
my $json = Cpanel::JSON::XS->new->canonical; # characters: DBD::Pg makes the bytes
my $stack = start_stack(server_directives => "WflowsFlowCallbackAllow 127.0.0.1/32\n");
my $receiver = Wflows::Receiver->start(dir => $stack->{dir});
my $dbh = $stack->dbh;
my $secret = 'whsec_' . 'c2VjcmV0LW9mLXRoaXMtdGVzdC1vbmU=';
my $serial = 0;

# ---- helpers ----------------------------------------------------------------------------------------------

sub company {
    my ($slug, $url, @options) = @_;
    my $tenant = Wflows::Tenant->add($stack, slug => $slug, accounts => [{ name => 'main', no_key => 1, options => ['--callback-url', $url, @options] }]);
    $stack->ctl('account', 'set', 'main', '--company', $slug, { 'callback-secret' => $secret });
    return $tenant;
}

sub account { return $_[0]{accounts}{main}{id} }

# Puts rows in and wakes the workers, as the intake does.
sub put {
    my ($tenant, $count, %o) = @_;
    my @keys = map { "k-" . ++$serial } 1 .. $count;
    $dbh->begin_work;
    $dbh->do('select wflows.outbox_add(?, ?, ?, ?, ?, ?)', undef, $tenant->{id}, 'callback', account($tenant), 'flow_completed', $_,
        $json->encode({ event_type => 'flow_completed', key => $_, text => "\x{e7}\x{e3}o" })) for @keys;
    $dbh->commit;
    $dbh->do(q{select pg_notify('wflows_outbox', '')}) unless $o{silent};
    return @keys;
}

sub row {
    my ($tenant, $key) = @_;
    return $dbh->selectrow_hashref('select *, extract(epoch from next_attempt_at - now()) as wait from wflows.outbox
        where company_id = ? and idempotency_key = ?', undef, $tenant->{id}, $key);
}

sub attempts {
    my ($tenant, $key) = @_;
    return $dbh->selectall_arrayref(q{select a.*, convert_from(a.response_body, 'UTF8') as reply from wflows.outbox_attempts a join wflows.outbox o
        on o.company_id = a.company_id and o.id = a.outbox_id where o.company_id = ? and o.idempotency_key = ? order by attempt},
        { Slice => {} }, $tenant->{id}, $key);
}

sub becomes {
    my ($tenant, $key, $status, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok(wait_until(20, sub { my $r = row($tenant, $key); $r->{status} eq $status && $r->{attempts} > 0 }), $name)
        or diag(explain(row($tenant, $key)));
    return row($tenant, $key);
}

# Makes a waiting retry due.
sub hurry {
    my ($tenant, $key) = @_;
    $dbh->do('update wflows.outbox set next_attempt_at = now() where company_id = ? and idempotency_key = ?', undef, $tenant->{id}, $key);
    $dbh->do(q{select pg_notify('wflows_outbox', '')});
}

# ---- it arrives -------------------------------------------------------------------------------------------

my $acme = company('acme', $receiver->url('/ok'));
my ($first) = put($acme, 1);
ok($receiver->wait_for('/ok', 1), 'a callback arrives');
my ($got) = $receiver->got('/ok');
is($got->{method}, 'POST', 'as a POST');
is($got->{headers}{'content-type'}, 'application/json', 'of JSON');
is($got->{data}{key}, $first, 'with the payload that was put in');
like($got->{body}, qr/\xc3\xa7\xc3\xa3o/, 'byte for byte');
is_deeply([Wflows::Receiver::signatures_of($got, $secret)], [0], 'signed as Standard Webhooks says, by an independent reckoning');
ok(abs($got->{timestamp} - time) < 30, 'with the time of now');
my $done = becomes($acme, $first, 'done', 'the row is done');
is($got->{id}, "msg_$done->{id}", 'the webhook-id is the row');
is(scalar @{ attempts($acme, $first) }, 1, 'one attempt is kept');
is(attempts($acme, $first)->[0]{status_code}, 200, 'with its status');

{
    my @keys = put($acme, 300);
    ok($receiver->wait_for('/ok', 301, 30), 'many arrive');
    ok(wait_until(10, sub { $dbh->selectrow_array(q{select count(*) from wflows.outbox where status <> 'done' and consumer = 'callback'}) == 0 }), 'and are done');
    my %times;
    $times{ $_->{data}{key} }++ for $receiver->got('/ok');
    is_deeply([grep { ($times{$_} // 0) != 1 } @keys], [], 'each exactly once');
}
{
    my @keys = put($acme, 1, silent => 1);
    ok($receiver->wait_for('/ok', 302, 10), 'without a notification too, by polling');
}

# ---- secrets ------------------------------------------------------------------------------------------------

my $next_secret = 'a plain secret of the company';
$stack->{known_secrets}{$_} = $_ for $secret, $next_secret;
$stack->ctl('account', 'set', 'main', '--company', 'acme', { 'callback-secret' => $next_secret });
put($acme, 1);
$receiver->wait_for('/ok', 303);
is_deeply([Wflows::Receiver::signatures_of(($receiver->got('/ok'))[-1], $next_secret, $secret)], [0, 1],
    'after a rotation both secrets sign, the new one first');
$dbh->do(q{update wflows.whatsapp_accounts set previous_callback_secret_until = now() - interval '1 second' where company_id = ?}, undef, $acme->{id});
put($acme, 1);
$receiver->wait_for('/ok', 304);
is_deeply([Wflows::Receiver::signatures_of(($receiver->got('/ok'))[-1], $next_secret, $secret)], [0, undef],
    'after the overlap only the new one');

my $echo = company('echo', $receiver->url('/echo'));
my ($echoed) = put($echo, 1);
becomes($echo, $echoed, 'done', 'a receiver that echoes');
my $reply = attempts($echo, $echoed)->[0]{reply};
like($reply, qr/webhook-signature/, 'its reply is kept');
my ($signature) = ($receiver->got('/echo'))[-1]{headers}{'webhook-signature'};
is(index($reply, $signature), -1, 'without the signature');
my $big = company('big', $receiver->url('/big'));
my ($long) = put($big, 1);
becomes($big, $long, 'done', 'a reply of megabytes is a reply');
is(length(attempts($big, $long)->[0]{reply}), 16384, 'of which the first 16 kB are kept');

# ---- it does not arrive -----------------------------------------------------------------------------------------

my $bad = company('bad', $receiver->url('/code/500'));
my ($key) = put($bad, 1);
ok(wait_until(20, sub { row($bad, $key)->{attempts} == 1 }), 'a 500 is an attempt');
my $r = row($bad, $key);
is($r->{status}, 'pending', 'and it will be tried again');
cmp_ok($r->{wait}, '<=', 6, 'after 5 s and 20 % at most');
is($r->{last_error}, 'HTTP status 500', 'the row says why');
for my $case ([2, 240, 360], [3, 1440, 2160]) {
    my ($n, $min, $max) = @$case;
    hurry($bad, $key);
    ok(wait_until(90, sub { row($bad, $key)->{attempts} == $n }), "attempt $n is made");
    $r = row($bad, $key);
    ok($r->{wait} > $min - 60 && $r->{wait} <= $max, "and the next is $min to $max s later") or diag($r->{wait});
}
$dbh->do('update wflows.outbox set attempts = 7 where company_id = ?', undef, $bad->{id});
hurry($bad, $key);
ok(wait_until(90, sub { row($bad, $key)->{status} eq 'dead' }), 'after the eighth it is given up');
is_deeply([map { $_->{attempt} } @{ attempts($bad, $key) }], [1, 2, 3, 8], 'every attempt is kept');
my %ids = map { $_->{id} => 1 } $receiver->got('/code/500');
is(scalar keys %ids, 1, 'all had the same webhook-id');
my %stamps = map { ((Wflows::Receiver::signatures_of($_, $secret))[0] // 'none') => 1 } $receiver->got('/code/500');
is_deeply([keys %stamps], [0], 'each was signed for its own time');

my $few = company('few', $receiver->url('/code/404'));
$dbh->do('update wflows.whatsapp_accounts set callback_max_retries = 1 where company_id = ?', undef, $few->{id});
my ($capped) = put($few, 1);
wait_until(20, sub { row($few, $capped)->{attempts} == 1 });
hurry($few, $capped);
becomes($few, $capped, 'dead', 'the account can have fewer retries');
is(row($few, $capped)->{attempts}, 2, 'one here');

my $later = company('later', $receiver->url('/later'));
$receiver->set('/later', { status => 503, headers => { 'Retry-After' => '120' } });
my ($asked) = put($later, 1);
wait_until(20, sub { row($later, $asked)->{attempts} == 1 });
cmp_ok(abs(row($later, $asked)->{wait} - 120), '<', 15, 'Retry-After is honoured');
$receiver->set('/later', undef);
hurry($later, $asked);
becomes($later, $asked, 'done', 'and it arrives then');

my $gone = company('gone', $receiver->url('/code/410'));
my ($dead) = put($gone, 1);
becomes($gone, $dead, 'dead', '410 gives up at once');
ok(wait_until(10, sub { $stack->ctl('account', 'show', 'main', '--company', 'gone')->{callback_disabled_at} }), 'and switches the callbacks off, visibly');
is($dbh->selectrow_array(q{select actor from wflows.audit_logs where action = 'account.callback_disabled' and company_id = ?}, undef, $gone->{id}),
    'job:outbox', 'with an audit row');
my ($waits) = put($gone, 1);
my ($ping) = put($acme, 1);
becomes($acme, $ping, 'done', 'others go on');
is(row($gone, $waits)->{attempts}, 0, 'the next one waits');
$stack->ctl('account', 'set', 'main', '--company', 'gone', '--callback-url', $receiver->url('/back'));
$dbh->do(q{select pg_notify('wflows_outbox', '')});
becomes($gone, $waits, 'done', 'until there is a new URL');

my $off = company('off', $receiver->url('/off'));
$dbh->do(q{update wflows.companies set status = 'suspended' where id = ?}, undef, $off->{id});
my ($kept) = put($off, 1);
($ping) = put($acme, 1);
becomes($acme, $ping, 'done', 'a suspended company holds nobody up');
is(row($off, $kept)->{attempts}, 0, 'its callbacks wait');
$dbh->do(q{update wflows.companies set status = 'active' where id = ?}, undef, $off->{id});
$dbh->do(q{select pg_notify('wflows_outbox', '')});
becomes($off, $kept, 'done', 'until it is active again');

# ---- where it must not go -------------------------------------------------------------------------------------------

my @forbidden = ('http://127.0.0.2:1/', 'http://[::1]:1/', 'http://10.1.2.3/', 'http://192.168.1.1/', 'http://172.16.0.1/',
    'http://169.254.169.254/latest/meta-data/', 'http://[fe80::1]/', 'http://[fd00::1]/', 'http://[::ffff:127.0.0.2]/',
    'http://[::ffff:10.0.0.1]/', 'http://[64:ff9b::7f00:2]/', 'http://[2002:7f00:2::]/', 'http://0.0.0.0/', 'http://2130706434/',
    'http://0x7f000002/', 'http://0177.0.0.2/', 'http://100.64.0.1/', 'http://224.0.0.1/', 'http://localhost6.localdomain.invalid/');
my @guarded = map { company("guard-$_", $forbidden[$_]) } 0 .. $#forbidden;
my @keys = map { (put($_, 1))[0] } @guarded;
for my $i (0 .. $#forbidden) {
    ok(wait_until(20, sub { row($guarded[$i], $keys[$i])->{attempts} == 1 }), "$forbidden[$i] is tried") or next;
    my $attempt = attempts($guarded[$i], $keys[$i])->[0];
    is($attempt->{status_code}, undef, 'and gets no answer');
    like($attempt->{error}, $forbidden[$i] =~ /invalid/ ? qr/resolve/i : qr/not a public one/, 'because of where it is');
}
my $redirected = company('redirected', $receiver->url('/redirect?' . $receiver->url('/secret-place')));
my ($there) = put($redirected, 1);
ok(wait_until(20, sub { row($redirected, $there)->{attempts} == 1 }), 'a redirect is an answer');
is(attempts($redirected, $there)->[0]{status_code}, 302, 'with its status');
is(scalar(() = $receiver->got('/secret-place')), 0, 'and nobody goes there');

# ---- one bad receiver -----------------------------------------------------------------------------------------------

my $hang = company('hang', $receiver->url('/hang'));
my $refuse = company('refuse', 'http://127.0.0.1:' . free_port() . '/');
my @good = map { company("good-$_", $receiver->url("/good/$_")) } 1 .. 8;
$dbh->do('update wflows.whatsapp_accounts set callback_timeout = 60000 where company_id = ?', undef, $hang->{id});
put($_, 60, silent => 1) for $hang, $refuse;
put($_, 40, silent => 1) for @good;
$dbh->do(q{select pg_notify('wflows_outbox', '')});
ok(wait_until(20, sub { (() = $receiver->got('/hang')) > 0 }), 'one receiver hangs');
ok(wait_until(50, sub { $dbh->selectrow_array(q{select count(*) from wflows.outbox o join wflows.companies c on c.id = o.company_id
    where o.consumer = 'callback' and c.slug like 'good-%' and o.status = 'done'}) == 320 }), 'eight receivers get all of theirs while it does');
is($dbh->selectrow_array(q{select count(*) from wflows.outbox where consumer = 'callback' and company_id = ? and attempts > 0}, undef, $hang->{id}), 0,
    'before the first of its callbacks has timed out') or diag($dbh->selectrow_array(q{select string_agg(last_error, '; ') from wflows.outbox where company_id = ?}, undef, $hang->{id}));
cmp_ok($dbh->selectrow_array(q{select count(*) from wflows.outbox where company_id = ? and status = 'leased'}, undef, $hang->{id}), '<=', 8,
    'and it holds no more than its share');
cmp_ok($dbh->selectrow_array(q{select count(*) from wflows.outbox where consumer = 'callback' and company_id = ? and attempts = 0}, undef, $refuse->{id}), '>=', 40,
    'those for one that refuses are not spent on it');

# ---- figures, log ---------------------------------------------------------------------------------------------------

my ($delivered) = $dbh->selectrow_array(q{select count(*) from wflows.outbox where consumer = 'callback' and status = 'done'});
is(metric($stack, 'wflows_callback_attempts_total', 'result="delivered"'), $delivered, 'what was delivered is counted')
    or diag(metric($stack, 'wflows_callback_attempts_total', 'result="lease_lost"') . ' lost');
cmp_ok(metric($stack, 'wflows_callback_attempts_total', 'result="dead"'), '==', 2, 'and what was given up');
cmp_ok(metric($stack, 'wflows_callback_attempts_total', 'result="gone"'), '==', 1, 'and who is gone');
is(metric($stack, 'wflows_callback_delay_seconds_count'), $delivered, 'with the delay');
ok(wait_until(20, sub { metric($stack, 'wflows_outbox_depth', 'consumer="callback"') > 40 }), 'the depth shows what waits');
errlog_ok($stack, ignore => ['WF0475', 'WF0476', 'WF0477']);
$stack->httpd->stop;
is($dbh->selectrow_array(q{select count(*) from wflows.outbox where status = 'leased'}), 0, 'a stopped server leaves nothing on lease');
$receiver->stop;
done_testing;
