#!/usr/bin/perl
# Files named in the answers of a finished flow: the webhook names them, they are fetched, the company is told what
# became of each, and they go when their time is over. Keys stand nowhere in clear.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Cpanel::JSON::XS ();
use Digest::SHA qw(sha256_hex);
use File::Find qw(find);
use File::Temp qw(tempdir);
use Test::More;
use Wflows::Cdn;
use Wflows::Flows qw(linear_flow);
use Wflows::Process qw(read_file wait_until);
use Wflows::Receiver;
use Wflows::Seal qw(stored_file);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok need start_stack);
use Wflows::Webhook;

need(qw(pg redis httpd));
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;
mkdir "$dir/$_", 0700 for qw(media cdn);
chown((getpwnam('www-data'))[2, 3], "$dir/media") if $> == 0;
my $token = 'EAA-an-access-token';
my $cdn = Wflows::Cdn->start(dir => "$dir/cdn", token => $token);
my $stack = start_stack(server_directives => "WflowsFlowCallbackAllow 127.0.0.1/32\nWflowsFlowMediaDir $dir/media\n"
    . 'WflowsFlowMediaHost .whatsapp.net ' . $cdn->origin . "\nWflowsFlowGraphURL " . $cdn->url('/v23.0') . "\n");
my $secret_of_callbacks = 'whsec_' . 'c2VjcmV0LW9mLXRoaXMtdGVzdC1vbmU=';
my $receiver = Wflows::Receiver->start(dir => $stack->{dir});
my $dbh = $stack->dbh;
$dbh->do(q{SET lock_timeout = '120s'});
my $acme = Wflows::Tenant->add($stack, slug => 'acme', plan => 'pro', flows => { plain => [linear_flow(['FIRST', 'SECOND'])] },
    accounts => [{ name => 'main', options => ['--callback-url', $receiver->url('/ok'), '--callback-events', 'flow_completed,flow_media_stored,flow_media_failed'] },
        { name => 'quiet', options => ['--callback-url', $receiver->url('/quiet')] }]);
$stack->ctl('account', 'set', $_, '--company', 'acme', { 'access-token' => $token, 'callback-secret' => $secret_of_callbacks }) for qw(main quiet);
my ($hook, $quiet) = map { Wflows::Webhook->new(tenant => $acme, account => $_, named => 1) } qw(main quiet);
my $account_id = $acme->{accounts}{main}{id};

# ---- helpers ----------------------------------------------------------------------------------------------

sub posted {
    my ($body, $name, $to) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(($to // $hook)->post($body)->{status}, 200, $name);
}

# The callbacks of a type whose data (or answers) name this.
sub told {
    my ($type, $what) = @_;
    return map { $_->{data} } grep { $_->{data}{event_type} eq $type && index($_->{body}, $what) >= 0 } $receiver->got('/ok');
}

sub is_told {
    my ($type, $what, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok(wait_until(60, sub { told($type, $what) > 0 }), $name)
        or diag(explain($dbh->selectall_arrayref('select status, reason from wflows.media', { Slice => {} })));
    my ($first, @more) = told($type, $what);
    is(scalar @more, 0, 'once');
    return $first;
}

sub count { my ($sql, @values) = @_; return scalar $dbh->selectrow_array("select count(*) from wflows.$sql", undef, @values) }

sub on_disk { return sort map { substr($_, length "$dir/media/$acme->{id}/") } glob("$dir/media/$acme->{id}/*") }

# ---- two pictures -----------------------------------------------------------------------------------------

my @pictures = ("\xff\xd8\xff the first picture" x 9000, "\xff\xd8\xff the second picture" x 3);
my @files = map { $cdn->publish($_) } @pictures;
my $reply = $hook->reply({ flow_token => 'tok-two', name => 'Maria', photos => \@files }, id => 'wamid.two');
posted($hook->messages($reply), 'answers with two pictures are taken');
my $done = is_told('flow_completed', 'tok-two', 'the company is told of the finished flow');
my @named = @{ $done->{response_data}{photos} };
is(scalar @named, 2, 'the callback names both');
is_deeply([map { [@{$_}{qw(media_id file_name mime_type status)}] } @named], [map { [@{$_}{qw(id file_name mime_type)}, 'pending'] } @files], 'by id, name and kind');
is($done->{response_data}{name}, 'Maria', 'beside the other answers');
my ($response_id, $kept) = $dbh->selectrow_array(q{select id, response::text from wflows.flow_responses where message_id = 'wamid.two'});
is_deeply($json->decode($kept), $done->{response_data}, 'the stored response is the same');
for my $i (0, 1) {
    my $id = $named[$i]{id};
    my $told = is_told('flow_media_stored', $id, "picture $i is fetched, and the company told");
    is_deeply([@{$told}{qw(company_id account_id phone_number message_id)}], [$acme->{id}, $account_id, '32470000001', 'wamid.two'], 'of which message and account');
    delete $told->{data}{created_at};
    is_deeply($told->{data}, { id => $id, media_id => $files[$i]{id}, file_name => $files[$i]{file_name}, mime_type => 'image/jpeg', size => length $pictures[$i],
        sha256 => sha256_hex($pictures[$i]), status => 'stored', response_id => $response_id, flow_token => 'tok-two' }, 'the whole of what it is');
    is(stored_file($stack, "$dir/media", $acme->{id}, $id), $pictures[$i], 'what is kept is what was sent');
}
posted($hook->messages($reply), 'the same webhook again');
is(count(q{media}), 2, 'makes no other files');
is(count(q{outbox where consumer = 'media'}), 2, 'and nothing more to fetch');
is(count(q{webhook_events where event_type = 'flow_media_stored' and account_id = ?}, $account_id), 2, 'what became of them are events too');

# ---- what cannot be had -----------------------------------------------------------------------------------

my $forged = $cdn->publish('not the contract', as => 'the contract');
my $gone = { %{ $cdn->publish('x') }, id => '404' };
posted($hook->messages($hook->reply({ flow_token => 'tok-bad', docs => [$forged, $gone] }, id => 'wamid.bad')), 'answers with a forged file and one that has gone');
my $bad = is_told('flow_media_failed', $forged->{id}, 'the company is told of the forged one');
is_deeply([@{ $bad->{data} }{qw(status flow_token file_name)}], ['failed', 'tok-bad', $forged->{file_name}], 'that it failed');
like($bad->{data}{reason}, qr/hash is not the one/, 'and why');
my $lost = is_told('flow_media_failed', '"media_id":"404"', 'and of the one that has gone');
is($lost->{data}{status}, 'expired', 'that it is too late');
like($lost->{data}{reason}, qr/has gone \(HTTP status 404\)/, 'and why');
is_deeply($dbh->selectall_arrayref(q{select o.status, m.status, o.last_error = m.reason from wflows.media m join wflows.outbox o on o.company_id = m.company_id
    and o.consumer = 'media' and o.idempotency_key = m.id::text where m.flow_token = 'tok-bad' order by m.status}), [['dead', 'expired', 1], ['dead', 'failed', 1]],
    'nothing tries them again, and the row says why');
is(scalar(my @two = on_disk()), 2, 'nothing of them is kept');

posted($quiet->messages($quiet->reply({ flow_token => 'tok-quiet', photos => [$cdn->publish('hush')] }, id => 'wamid.quiet')), 'a file for an account that did not ask', $quiet);
ok(wait_until(60, sub { count(q{media where status = 'stored' and flow_token = 'tok-quiet'}) == 1 }), 'is fetched');
ok($receiver->wait_for('/quiet', 1), 'its callbacks');
is(count(q{outbox where consumer = 'callback' and event_type like 'flow_media%' and account_id = ?}, $acme->{accounts}{quiet}{id}), 0, 'are not of files');

# ---- keys -------------------------------------------------------------------------------------------------

# Meta sends none in webhooks, as far as we know; an exchange does, and what is stored must not depend on it.
my $photo = "\x89PNG\r\n\x1a\n a picture under a key";
my @sealed = map { $cdn->encrypt($_) } $photo, 'cut off', 'unknown', 'another type', 'exchange';
my %secret = map { my $i = $_; map { ("$_ $i" => $sealed[$i]{encryption_metadata}{$_}) } qw(encryption_key hmac_key iv) } 0 .. $#sealed;
$secret{"link $_"} = $sealed[$_]{cdn_url} for 0 .. $#sealed;
posted($hook->messages($hook->reply({ flow_token => 'tok-key', scans => [$sealed[0]] }, id => 'wamid.key')), 'answers with a key');
my $with_key = is_told('flow_media_stored', $sealed[0]{media_id}, 'the file is fetched');
is($with_key->{data}{mime_type}, 'image/png', 'and has a type');
is(stored_file($stack, "$dir/media", $acme->{id}, $with_key->{data}{id}), $photo, 'and opens');
my ($event) = grep { $_->{dedup_key} eq 'message:wamid.key' } @{ $hook->events };
my $inner = $json->decode($json->decode($event->{payload})->{message}{interactive}{nfm_reply}{response_json});
is_deeply($inner, { flow_token => 'tok-key', scans => [{ media_id => $sealed[0]{media_id}, file_name => $sealed[0]{file_name}, encryption_metadata => '[redacted]' }] },
    'the event keeps everything but key and link');
posted($hook->messages($hook->reply(substr($json->encode({ flow_token => 'tok-cut', scans => [$sealed[1]] }), 0, -3), id => 'wamid.cut')), 'answers that break off');
posted({ strange => [$sealed[2]] }, 'a shape that nobody knows');
posted($hook->envelope('payments', { scan => $sealed[3] }), 'a field that nobody knows');
my $user = $acme->client(flow => 'plain', token => 'tok-exchange');
answers($user->init, 'FIRST', 'an exchange');
answers($user->exchange('FIRST', { answer => 'x', scans => [$sealed[4]] }), 'SECOND', 'with a file');
my $in_session = is_told('flow_media_stored', $sealed[4]{media_id}, 'is told in the same way');
is($in_session->{data}{session_id}, $acme->sessions('tok-exchange')->[0]{id}, 'with its session');

my %clear;
for my $table (@{ $dbh->selectcol_arrayref(q{select tablename from pg_tables where schemaname = 'wflows' order by 1}) }) {
    my $all = join("\n", @{ $dbh->selectcol_arrayref("select t::text from wflows.$table t") });
    index($all, $secret{$_}) >= 0 and $clear{$table}{$_}++ for keys %secret;
    $all =~ s{\\+/}{/}g;
    index($all, $secret{$_}) >= 0 and $clear{$table}{$_}++ for keys %secret;
}
is_deeply(\%clear, {}, 'neither keys nor links stand in any table');
my $redis = $stack->redis->client;
my $cached = join("\n", map { $redis->dump($_) // '' } $redis->keys('*'));
cmp_ok(length $cached, '>', 0, 'Redis has something');
is_deeply([grep { index($cached, $secret{$_}) >= 0 } sort keys %secret], [], 'but none of them');
my @told;
find(sub { return if !-f || !/(?:log|ndjson)$/; my $text = read_file($_); my $file = $_; push @told, map { "$file: $_" } grep { index($text, $secret{$_}) >= 0 } keys %secret }, $stack->{dir});
is_deeply(\@told, [], 'nor logs or callbacks');

# ---- their time is over -----------------------------------------------------------------------------------

my @before = on_disk();
my ($old, $young) = map { $_->{id} } @named;
$dbh->do(q{update wflows.media set created_at = now() - interval '366 days' where id = ?}, undef, $old);
$dbh->do(q{update wflows.media set created_at = now() - interval '364 days' where id = ?}, undef, $young);
my $never = $cdn->encrypt('never', url => $cdn->url('/code/500'));
posted($hook->messages($hook->reply({ flow_token => 'tok-never', scans => [$never] }, id => 'wamid.never')), 'one that is still being tried');
ok(wait_until(60, sub { count(q{outbox where consumer = 'media' and status = 'pending' and attempts = 1}) == 1 }), 'waits');
$dbh->do(q{update wflows.media set created_at = now() - interval '366 days' where flow_token = 'tok-never'});
open(my $part, '>', "$dir/media/$acme->{id}/$old.part") or die $!; # of a worker that was killed
close $part;
$dbh->do(q{insert into wflows.job_runs (name) values ('retention') on conflict (name) do update set next_at = now()});
ok(wait_until(60, sub { count('media where id = ?', $old) == 0 && count(q{media where flow_token = 'tok-never'}) == 0 }), 'a file whose time is over has no row any more');
is_deeply([on_disk()], [grep { $_ ne $old } @before], 'and is not on the disk, nor what was left of it; the others are');
is(count('media where id = ?', $young), 1, 'the younger one stays');
is(stored_file($stack, "$dir/media", $acme->{id}, $young), $pictures[1], 'and opens');
is(count(q{outbox where consumer = 'media' and status = 'pending'}), 0, 'what waited to be fetched does not any more');

# One whose time runs out while it is being fetched: nobody would know of it any more.
my $late = $cdn->encrypt('too late');
my ($path) = $late->{cdn_url} =~ m{(/f/.*)};
$cdn->set($path, { status => 503 });
posted($hook->messages($hook->reply({ flow_token => 'tok-late', scans => [$late] }, id => 'wamid.late')), 'one that comes late');
my $job = q{outbox o where consumer = 'media' and attempts > 0 and idempotency_key = (select id::text from wflows.media where flow_token = 'tok-late')};
ok(wait_until(60, sub { count("$job and status = 'pending'") == 1 }), 'is tried');
my ($late_id) = $dbh->selectrow_array(q{select id from wflows.media where flow_token = 'tok-late'});
my $other = $stack->dbh;
$other->begin_work;
$other->do('delete from wflows.media where id = ?', undef, $late_id);
$cdn->set($path, undef);
$dbh->do(q{update wflows.outbox set next_attempt_at = now() where consumer = 'media' and idempotency_key = ?}, undef, $late_id);
ok(wait_until(60, sub { -e "$dir/media/$acme->{id}/$late_id" }), 'and is here when its row goes');
$other->commit;
ok(wait_until(60, sub { count(q{outbox where consumer = 'media' and idempotency_key = ? and status = 'done'}, $late_id) == 1 }), 'its delivery is over');
ok(!-e "$dir/media/$acme->{id}/$late_id", 'and it is not on the disk any more');
is(scalar(my @nothing = told('flow_media_stored', $late_id)), 0, 'nobody is told of it');

is($stack->ctl_raw(['media', 'get', $young, '--company', 'acme'])->{out}, $pictures[1], 'for an operator, too');

$stack->{known_secrets} = { %{ $stack->{known_secrets} }, %secret, 'access token' => $token, callbacks => $secret_of_callbacks };
errlog_ok($stack, expect => ['WF0541'], ignore => [qr/WF0443.*not JSON/]);
$stack->httpd->stop;
$receiver->stop;
$cdn->stop;
done_testing;
