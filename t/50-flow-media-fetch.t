#!/usr/bin/perl
# Files that users send in a flow are fetched from Meta's CDN and through the Graph API, checked, decrypted and kept
# encrypted; what cannot be had is tried again or given up, with a reason.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Digest::SHA qw(sha256 sha256_hex);
use File::Temp qw(tempdir);
use List::Util qw(max);
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;
use Wflows::Cdn;
use Wflows::Flows qw(linear_flow);
use Wflows::Process qw(read_file wait_until);
use Wflows::Seal qw(stored_file);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok metric need start_stack);

need('pg', 'redis', 'httpd');
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;
mkdir "$dir/$_", 0700 for qw(media cdn);
chown((getpwnam('www-data'))[2, 3], "$dir/media") if $> == 0;
my $token = 'EAA-an-access-token';
my $cdn = Wflows::Cdn->start(dir => "$dir/cdn", token => $token);
my $stack = start_stack(server_directives => "WflowsFlowCallbackAllow 127.0.0.1/32\nWflowsFlowMediaDir $dir/media\n"
    . 'WflowsFlowMediaHost .whatsapp.net ' . $cdn->origin . "\nWflowsFlowGraphURL " . $cdn->url('/v23.0') . "\n");
my $dbh = $stack->dbh;
my @flows = (flows => { plain => [linear_flow(['FIRST', 'SECOND'])] });
my $acme = Wflows::Tenant->add($stack, slug => 'acme', @flows);
my $other = Wflows::Tenant->add($stack, slug => 'other', @flows);
my $serial = 0;

# ---- helpers ----------------------------------------------------------------------------------------------

# A user of the company sends files; returns their rows' ids in that order.
sub send_files {
    my ($tenant, @files) = @_;
    my $token = 'tok-' . ++$serial;
    my $user = $tenant->client(flow => 'plain', token => $token);
    answers($user->init, 'FIRST', "INIT $token");
    answers($user->exchange('FIRST', { answer => 'x', scans => \@files }), 'SECOND', 'an exchange with files');
    my %ids = map { $_->{media_id} => $_->{id} } @{ $dbh->selectall_arrayref('select m.id, m.media_id from wflows.media m
        where m.company_id = ? and m.session_id = ?', { Slice => {} }, $tenant->{id}, $tenant->sessions($token)->[0]{id}) };
    return map { $ids{ $_->{media_id} } } @files;
}

# Named in answers, as a completion message has them.
sub add_published {
    my ($tenant, $file) = @_;
    my ($id) = $dbh->selectrow_array('select gen_random_uuid()');
    $dbh->do('select wflows.media_add(?, ?, null, null, null, ?)', undef, $tenant->{id}, $tenant->{accounts}{main}{id},
        $json->encode([{ id => $id, source => 'graph', media_id => $file->{id}, file_name => $file->{file_name},
            mime_type => $file->{mime_type}, sha256 => unpack('H*', decode_base64($file->{sha256})) }]));
    return $id;
}

sub row {
    my ($tenant, $id) = @_;
    return $dbh->selectrow_hashref(q{select m.*, o.status as job, o.attempts, o.last_error,
        extract(epoch from o.next_attempt_at - now()) as wait
        from wflows.media m join wflows.outbox o on o.company_id = m.company_id and o.consumer = 'media' and o.idempotency_key = m.id::text
        where m.company_id = ? and m.id = ?}, undef, $tenant->{id}, $id);
}

sub becomes {
    my ($tenant, $id, $status, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $job = $status eq 'stored' ? 'done' : 'dead';
    ok(wait_until(60, sub { my $r = row($tenant, $id); $r->{status} eq $status && $r->{job} eq $job }), $name) or diag(explain(row($tenant, $id)));
    return row($tenant, $id);
}

sub tried {
    my ($tenant, $id, $times, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok(wait_until(60, sub { my $r = row($tenant, $id); $r->{job} eq 'pending' && $r->{attempts} >= $times }), $name) or diag(explain(row($tenant, $id)));
    return row($tenant, $id);
}

sub hurry {
    my ($tenant, $id) = @_;
    $dbh->do(q{update wflows.outbox set next_attempt_at = now() where company_id = ? and consumer = 'media' and idempotency_key = ?}, undef, $tenant->{id}, $id);
}

# A stored file, opened by an independent implementation.
sub stored_text { my ($tenant, $id, %o) = @_; return stored_file($stack, "$dir/media", $tenant->{id}, $id, %o) }

# What lies in the folder: path without it => bytes
sub on_disk { return map { substr($_, length "$dir/media/") => -s $_ } glob("$dir/media/*/*") }

# ---- what arrives ---------------------------------------------------------------------------------------------

my $text = "\xff\xd8\xff a photo of somebody's passport " x 5000;
my $sent = $cdn->encrypt($text);
my ($photo) = send_files($acme, $sent);
my $row = becomes($acme, $photo, 'stored', 'a file is fetched');
is(stored_text($acme, $photo), $text, 'and is the one that was sent');
is(stored_text($acme, $photo, as => $other->{id}), undef, 'sealed for its company');
is($row->{size}, length $text, 'its size is told');
is($row->{mime_type}, 'image/jpeg', 'and its type, by its bytes');
is($row->{sha256}, sha256_hex($text), 'and its hash');
is($row->{reference}, undef, 'link and keys are forgotten');
is($row->{attempts}, 1, 'in one attempt');
is(sprintf('%04o', (stat "$dir/media/$acme->{id}/$photo")[2] & 07777), '0600', 'nobody else may read it');
is_deeply([keys %{ { on_disk() } }], ["$acme->{id}/$photo"], 'nothing else is left in the folder');
my $raw = read_file("$dir/media/$acme->{id}/$photo");
is(index($raw, 'passport'), -1, 'nothing of it lies there in clear');

my ($again) = send_files($other, $sent);
isnt($again, $photo, 'the same file sent to another company is another one');
becomes($other, $again, 'stored', 'that is fetched for itself');
is(stored_text($other, $again), $text, 'and kept for itself');
is_deeply($dbh->selectcol_arrayref(q{select count(*) from wflows.media where id = ? and company_id <> ?}, undef, $photo, $acme->{id}), [0], 'no other company has it');

my @few = send_files($acme, map { $cdn->encrypt("file number $_") } 1 .. 12);
becomes($acme, $few[$_], 'stored', "file $_ of twelve") for 0 .. $#few;
is(stored_text($acme, $few[$_]), 'file number ' . ($_ + 1), 'is its own') for 0, 11;
my ($empty) = send_files($acme, $cdn->encrypt(''));
is(becomes($acme, $empty, 'stored', 'an empty file is a file')->{size}, 0, 'of no bytes');

# ---- through the Graph API --------------------------------------------------------------------------------------

my $document = add_published($acme, $cdn->publish("%PDF-1.7 a contract"));
like(tried($acme, $document, 1, 'without an access token a file waits')->{last_error}, qr/no access token/, 'and says why');
$stack->ctl('account', 'set', 'main', '--company', 'acme', { 'access-token' => $token });
$stack->{known_secrets}{'access token'} = $token;
hurry($acme, $document);
$row = becomes($acme, $document, 'stored', 'with one it is fetched');
is(stored_text($acme, $document), '%PDF-1.7 a contract', 'and is the one that was sent');
is($row->{mime_type}, 'application/pdf', 'with its type');
my $forged = add_published($acme, $cdn->publish('another contract', as => 'the contract'));
like(becomes($acme, $forged, 'failed', 'one with another hash is refused')->{reason}, qr/hash is not the one/, 'with the reason');
my $astray = $cdn->publish('x');
$cdn->set("/v23.0/$astray->{id}", { status => 200, body => $json->encode({ url => 'http://127.0.0.1:1/x' }) });
like(becomes($acme, add_published($acme, $astray), 'failed', 'a link to somewhere else is not followed')->{reason}, qr/not allowed/, 'with the reason');
like(becomes($acme, add_published($acme, { %$astray, id => '123' }), 'expired', 'one that Meta does not know is gone')->{reason}, qr/404/, 'with the reason');
my $limited = $cdn->publish('later');
$cdn->set("/v23.0/$limited->{id}", { status => 400, headers => { 'Retry-After' => '100' },
    body => $json->encode({ error => { message => 'too many from +5511987654321', code => 80007, fbtrace_id => 'Atrace1' } }) });
my $waits = add_published($acme, $limited);
$row = tried($acme, $waits, 1, 'what Meta refuses is tried again');
like($row->{last_error}, qr/Graph API.*HTTP status 400, Meta's code 80007, trace Atrace1/, "with Meta's code");
unlike($row->{last_error}, qr/5511987654321/, 'and without the words, which may be about somebody');
cmp_ok($row->{wait}, '>', 60, 'after what Retry-After says');
$cdn->set("/v23.0/$limited->{id}", undef);
hurry($acme, $waits);
becomes($acme, $waits, 'stored', 'and is had when Meta lets us');

# ---- what is not what it says -------------------------------------------------------------------------------------

for my $case (
    ['a wrong hash of the encrypted file', sub { $_[0]{encrypted_hash} = sha256('x') }, qr/hash/],
    ['a wrong MAC', sub { substr(${ $_[1] }, -1) ^= "\x01"; $_[0]{encrypted_hash} = sha256(${ $_[1] }) }, qr/MAC|mac/],
    ['a wrong hash of the plaintext', sub { $_[0]{plaintext_hash} = sha256('x') }, qr/hash/],
    ['a file that is cut off', sub { ${ $_[1] } = substr(${ $_[1] }, 0, 20) }, qr/\S/],
    ['a key of another file', sub { $_[0]{encryption_key} = 'k' x 32 }, qr/\S/],
) {
    my ($name, $spoil, $reason) = @$case;
    my ($id) = send_files($acme, $cdn->encrypt('some text of some length', spoil => $spoil));
    my $r = becomes($acme, $id, 'failed', "$name: given up");
    is($r->{attempts}, 1, 'at once');
    like($r->{reason}, $reason, 'with the reason');
    ok(!-e "$dir/media/$acme->{id}/$id", 'and nothing is kept');
}
for my $status (404, 410) {
    my ($id) = send_files($acme, $cdn->encrypt('gone', url => $cdn->url("/code/$status")));
    my $r = becomes($acme, $id, 'expired', "a link that answers $status has gone");
    is($r->{attempts}, 1, 'it is not tried again');
    like($r->{reason}, qr/has gone \(HTTP status $status\)/, 'with the reason');
}
for my $url ('http://127.0.0.1:1/x', 'https://example.org/x', $cdn->url('/f/file-1') =~ s/127\.0\.0\.1/localhost/r, 'http://mmg.whatsapp.net/x') {
    my ($id) = send_files($acme, $cdn->encrypt('elsewhere', url => $url));
    like(becomes($acme, $id, 'failed', "$url is not fetched")->{reason}, qr/not allowed/, 'with the reason');
}

# ---- what is tried again --------------------------------------------------------------------------------------------

my $later = $cdn->encrypt('later');
my ($path) = $later->{cdn_url} =~ m{(/f/.*)};
$cdn->set($path, { status => 503 });
my ($busy) = send_files($acme, $later);
$row = tried($acme, $busy, 1, 'a 503 is tried again');
is($row->{status}, 'pending', 'the file is pending');
like($row->{last_error}, qr/HTTP status 503/, 'with the reason');
cmp_ok($row->{wait}, '<=', 6, 'soon');
$cdn->set($path, undef);
hurry($acme, $busy);
is(becomes($acme, $busy, 'stored', 'and fetched when the server is back')->{attempts}, 2, 'at the second attempt');

$later = $cdn->encrypt('never');
($path) = $later->{cdn_url} =~ m{(/f/.*)};
$cdn->set($path, { status => 500, headers => { 'Retry-After' => '100' } });
my ($never) = send_files($acme, $later);
cmp_ok(tried($acme, $never, 1, 'a 500 too')->{wait}, '>', 60, 'after what Retry-After says');
$dbh->do(q{update wflows.outbox set attempts = 7 where consumer = 'media' and company_id = ? and idempotency_key = ?}, undef, $acme->{id}, $never);
hurry($acme, $never);
like(becomes($acme, $never, 'failed', 'the eighth attempt is the last')->{reason}, qr/HTTP status 500/, 'with its reason');

# ---- size and memory ----------------------------------------------------------------------------------------------------

# The most memory that each child had so far, in MiB, and by how much the one grew that grew most.
sub peaks { return { map { $_ => read_file("/proc/$_/status") =~ /^VmHWM:\s+(\d+)/m ? $1 / 1024 : 0 } $stack->httpd->children } }

sub growth {
    my ($before) = @_;
    my $now = peaks();
    return max(map { $now->{$_} - $before->{$_} } grep { exists $before->{$_} } keys %$now);
}

my $most = 25600 * 1024;
my $before = peaks();
my @large = send_files($acme, map { $cdn->encrypt(pack('N', $_) x ($most / 4)) } 1 .. 4);
becomes($acme, $_, 'stored', 'a file of 25 MiB') for @large;
my $grown = growth($before);
diag(sprintf('peak RSS grew by %.1f MiB for four files of 25 MiB at once', $grown));
cmp_ok($grown, '<', 8, 'four of them at once take a few MiB of memory');
is(sha256_hex(stored_text($acme, $large[3])), sha256_hex(pack('N', 4) x ($most / 4)), 'they are what was sent');
my ($huge) = send_files($acme, $cdn->encrypt('x' x ($most + 4096)));
like(becomes($acme, $huge, 'failed', 'one that is larger is refused')->{reason}, qr/over \d+ bytes/, 'with the reason');
cmp_ok(growth($before), '<', 8, 'and takes no memory either');

# ---- nothing in clear ---------------------------------------------------------------------------------------------------------

my %secrets = map { $_ => $sent->{encryption_metadata}{$_} } qw(encryption_key hmac_key);
for my $table (qw(media outbox outbox_attempts flow_sessions flow_responses audit_logs)) {
    my $all = join("\n", map { $_->[0] } @{ $dbh->selectall_arrayref("select t::text from wflows.$table t") });
    ok(!(grep { index($all, $_) >= 0 } values %secrets, $sent->{cdn_url}, $token, 'passport'), "neither keys, link nor text stand in $table");
}
is_deeply([grep { /\.(part|new)$/ } keys %{ { on_disk() } }], [], 'no file is left half done');
$stack->{known_secrets} = { %{ $stack->{known_secrets} }, %secrets };
my ($stored) = $dbh->selectrow_array(q{select count(*) from wflows.media where status = 'stored'});
is(metric($stack, 'wflows_media_total', 'result="stored"'), $stored, 'what was stored is counted');
my ($lost) = $dbh->selectrow_array(q{select count(*) from wflows.media where status in ('failed', 'expired')});
is(metric($stack, 'wflows_media_total', 'result="dead"'), $lost, 'and what was given up');
errlog_ok($stack, expect => ['WF0541', 'WF0660']);
$stack->httpd->stop;
is($dbh->selectrow_array(q{select count(*) from wflows.outbox where status = 'leased'}), 0, 'a stopped server leaves nothing on lease');
$cdn->stop;
done_testing;
