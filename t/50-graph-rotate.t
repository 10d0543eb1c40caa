#!/usr/bin/perl
# Key rotation with Meta: made, uploaded, read back, switched. Whatever step fails, the flow endpoint answers with the
# old key, and with whatever key Meta may be giving to phones; two rotations do not mix; the access token is told to
# Meta and nobody else.

use strict;
use warnings;
use lib 't/lib';

use File::Temp qw(tempdir);
use POSIX ();
use Test::More;
use Wflows::Ctl qw(ctl_fails ctl_ok);
use Wflows::Flows qw(linear_flow);
use Wflows::Graph;
use Wflows::Process qw(wait_until);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok need refused start_stack);

need('pg', 'redis', 'httpd');
my $dir = tempdir(CLEANUP => 1);
my $token = 'EAAGaccesstoken0123456789';
my $graph = Wflows::Graph->start(dir => $dir, token => $token);
my $stack = start_stack(server_directives => $graph->directives);
$stack->{known_secrets}{'access token'} = $token;
my $dbh = $stack->dbh;
my $acme = Wflows::Tenant->add($stack, slug => 'acme', flows => { plain => [linear_flow(['FIRST', 'SECOND'])] });
my $account = $acme->{accounts}{main};
my $number = $account->{phone_number_id};
my ($waba) = $dbh->selectrow_array('select waba_id from wflows.whatsapp_accounts where id = ?', undef, $account->{id});
$graph->add_number($number, waba => $waba);
my @which = ('--company', 'acme', '--account', 'main');
my $serial = 0;

# ---- helpers ----------------------------------------------------------------------------------------------

# A phone that has this public key gets its first screen.
sub works_with {
    my ($pem, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    local $account->{public_key} = $pem;
    answers($acme->client(flow => 'plain', token => 'tok-' . ++$serial)->init, 'FIRST', $name);
}

sub fails_with {
    my ($pem, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    local $account->{public_key} = $pem;
    refused($acme->client(flow => 'plain', token => 'tok-' . ++$serial)->init, 421, $name);
}

sub shown { return $stack->ctl('account', 'show', 'main', '--company', 'acme') }
sub current { return shown()->{public_key} }
sub audits { return map { $_->[0] } @{ $dbh->selectall_arrayref('select action from wflows.audit_logs where resource_id = ? order by created_at, id', undef, $account->{id}) } }
sub rotate_fails {
    my ($code, $pattern, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ctl_fails($stack, ['key', 'rotate', @which], $code, $pattern, $name);
}

# Begins a rotation and returns, with its pid, when the key is on its way to Meta, where it takes two seconds.
sub rotate_slowly {
    my $count = sub { scalar(grep { $_ eq 'key_upload' } $graph->steps) };
    my $before = $count->();
    $graph->fail(key_upload => (hang => 2, times => 1));
    my $pid = fork() // die "fork: $!";
    POSIX::_exit($stack->ctl_raw(['key', 'rotate', @which, '--overlap', '1h'])->{rc}) if !$pid;
    ok(wait_until(10, sub { $count->() > $before }), 'a rotation is under way');
    return $pid;
}

# ---- before Meta is asked -----------------------------------------------------------------------------------

my $first = current();
works_with($first, 'the first key decrypts');
rotate_fails(6, qr/no access token/, 'without an access token nothing is rotated');
ok(!$graph->steps, 'and Meta is not asked');
$stack->ctl('account', 'set', 'main', '--company', 'acme', { 'access-token' => $token });

# ---- refused at the upload ------------------------------------------------------------------------------------

$graph->fail(key_upload => (code => 190, message => "Malformed access token $token"));
my $r = rotate_fails(6, qr/Meta: Malformed access token \[redacted\] \(code 190\)/, 'a token that Meta refuses is told of, without the token');
unlike($r->{err} . $r->{out}, qr/\Q$token/, 'the token is in no output');
is(current(), $first, 'a refused upload: the key is the one before');
is(shown()->{has_next_key}, 0, 'and nothing waits to be finished');
works_with($first, 'a refused upload: the old key decrypts');
$graph->fail(key_upload => (code => 10, details => 'no permission for this number'));
rotate_fails(6, qr/no permission for this number \(code 10\)/, 'a missing permission is told of in Meta\'s words');
works_with($first, 'a missing permission: the old key decrypts');
is_deeply([(audits())[-2, -1]], ['account.key_rotation_started', 'account.key_rotation_failed'], 'begun and failed are audited');

# ---- nobody knows whether Meta has it ---------------------------------------------------------------------------

$graph->fail(key_upload => (drop => 1, after => 1));
rotate_fails(9, qr/does not answer/, 'an upload whose answer is lost');
is(current(), $first, 'a lost answer: the key is the one before');
my $second = $graph->number($number)->{public_key};
isnt($second, $first, 'Meta has the new key all the same');
works_with($first, 'a lost answer: the old key decrypts');
works_with($second, 'a lost answer: the key that Meta gives to phones decrypts too');
ok(shown()->{has_next_key}, 'the account tells that a rotation waits to be finished');

$graph->fail(key_upload => (code => 190));
rotate_fails(6, qr/code 190/, 'the next try is refused');
works_with($second, 'a refused second try: the key that Meta gives to phones still decrypts');
$graph->fail('key_upload');

$graph->fail(key_read => (code => 2, message => 'Service temporarily unavailable'));
rotate_fails(9, qr/temporarily unavailable/, 'reading back fails');
is($graph->number($number)->{public_key}, $second, 'the same key goes on');
works_with($first, 'reading back fails: the old key decrypts');
works_with($second, 'reading back fails: so does the new one');

$graph->fail(key_read => (body => '{"data":[{"business_public_key":"-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----\\n","business_public_key_signature_status":"VALID"}]}'));
rotate_fails(6, qr/another public key/, 'Meta answers with another key');
is(current(), $first, 'another key at Meta: ours is the one before');
$graph->fail(key_read => (body => '{"data":[]}'));
rotate_fails(6, qr/no public key/, 'Meta has no key');
$graph->fail(key_read => (body => 'oops', status => 502));
rotate_fails(9, qr/HTTP status 502/, 'what is not JSON is an outage');
$graph->fail(key_read => (body => '{"data":' . ('[' x 200) . (']' x 200) . '}'));
rotate_fails(9, qr/HTTP status 200/, 'what nests too deeply is an outage');
$graph->fail('key_read');
works_with($first, 'after all of it the old key decrypts');
works_with($second, 'and the new one');

# ---- done -------------------------------------------------------------------------------------------------------

my $done = ctl_ok($stack, ['key', 'rotate', @which, '--overlap', '1h', '--json'], 'rotated');
is($done->{public_key}, $second, 'the key that Meta had already is the current one');
is($done->{has_next_key}, 0, 'nothing waits any more');
ok($done->{previous_key_until}, 'the old one has its window');
works_with($first, 'in the window the old key decrypts');
works_with($second, 'and the new one');
is((audits())[-1], 'account.key_rotated', 'a rotation is audited');
like(ctl_ok($stack, ['key', 'validate', @which], 'key validate')->{out}, qr/VALID/, 'Meta has the current key');

$dbh->do(q{update wflows.whatsapp_accounts set previous_key_until = now() - interval '1 second' where id = ?}, undef, $account->{id});
$stack->ctl('account', 'set', 'main', '--company', 'acme', '--display-name', 'Main'); # forgets what is cached
fails_with($first, 'after the window the old key does not');
works_with($second, 'the new one does');

# ---- two at once ------------------------------------------------------------------------------------------------

my $child = rotate_slowly();
rotate_fails(6, qr/under way/, 'a second one does not begin meanwhile');
my $meanwhile = shown();
ok($meanwhile->{key_rotation_until}, 'the account tells until when');
is($meanwhile->{public_key}, $second, 'the current key is the old one meanwhile');
works_with($second, 'and decrypts');
waitpid($child, 0);
is($? >> 8, 0, 'the first one ends well');
my $third = current();
isnt($third, $second, 'its key is current');
is($graph->number($number)->{public_key}, $third, 'and is what Meta has');
works_with($_->[0], "$_->[1] decrypts") for [$second, 'the key before'], [$third, 'the new key'];

# A key that is set while a rotation is at Meta wins; the rotation tells so.
$child = rotate_slowly();
my $own = $acme->new_key('main');
waitpid($child, 0);
is($? >> 8, 6, 'a rotation that was overtaken ends as a conflict');
is(current(), $own, 'and does not undo the key that was set');
works_with($own, 'which decrypts');
works_with($third, 'as does the one before');
is(ctl_fails($stack, ['key', 'validate', @which], 1, qr/does not have the public key/, 'validate: Meta has another key')->{rc}, 1, 'is exit code 1');
ctl_ok($stack, ['key', 'register', @which], 'key register mends it');
is($graph->number($number)->{public_key}, $own, 'Meta has the current key');
$graph->set_number($number, signature => 'MISMATCH');
ctl_fails($stack, ['key', 'validate', @which], 1, qr/signature does not fit/, 'validate: a signature that does not fit');
ctl_fails($stack, ['key', 'register', '--company', 'acme', '--account', 'none'], 4, qr/there is no account 'none'/, 'no such account is 4');

# ---- a rotation whose process died ----------------------------------------------------------------------------------

$graph->set_number($number, signature => 'VALID');
$dbh->do(q{update wflows.whatsapp_accounts set key_rotation_id = gen_random_uuid(), key_rotation_until = now() + interval '1 minute' where id = ?}, undef, $account->{id});
rotate_fails(6, qr/under way/, 'a rotation that never came back keeps its turn for a while');
$dbh->do(q{update wflows.whatsapp_accounts set key_rotation_until = now() - interval '1 second' where id = ?}, undef, $account->{id});
ctl_ok($stack, ['key', 'rotate', @which], 'and then another takes over');
works_with($own, 'the key before decrypts');
works_with(current(), 'and the new one');

is_deeply([$graph->complaints], [], 'Meta has nothing to complain of');
my $leaks = $dbh->selectrow_array(q{select count(*) from wflows.audit_logs l where l::text like '%' || ? || '%'}, undef, $token);
is($leaks, 0, 'the access token is in no audit row');
$graph->stop;
errlog_ok($stack, expect => ['WF0420']);
done_testing();
