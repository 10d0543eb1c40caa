#!/usr/bin/perl
# The encrypted endpoint on the wire: every kind of bad input, the vectors of WHATSAPP.md 1.7, keys in every
# form, keys and app secrets during rotation, several numbers behind one URL, flow_token_signature.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Digest::SHA qw(hmac_sha256);
use Crypt::PK::RSA ();
use MIME::Base64 qw(decode_base64 encode_base64 encode_base64url);
use Test::More;
use Time::HiRes qw(sleep);
use Wflows::Process qw(read_file run);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok metric need refused start_stack);

need('pg', 'redis', 'httpd');
my $stack = start_stack(httpd => { main => <<'CONF' });
WflowsFlowBodyMax 64K
SetOutputFilter DEFLATE
CONF

my $json = Cpanel::JSON::XS->new->utf8->canonical;
my @booking = ('demo/appointment.json', 'demo/appointment.logic.json');
my $acme = Wflows::Tenant->add($stack, slug => 'acme', flows => { booking => \@booking });
my $client = $acme->client(flow => 'booking', token => 'tok-endpoint-1');

# ---- the protocol to the byte -----------------------------------------------------------------------------------

my $key = pack('H*', '000102030405060708090a0b0c0d0e0f');
my $iv = pack('H*', 'a0a1a2a3a4a5a6a7a8a9aaabacadaeaf');
my $r = $client->send('{"version":"3.0","action":"ping"}', key => $key, iv => $iv);
is($r->{status}, 200, 'the request of WHATSAPP.md 1.7 is answered');
is($r->{body}, 'FusEzBdzvQC+45OrlNKuLz5JY7ITAEKuw/x2vQfdtCN50KTnDUi/t1juMWA=', 'with the very bytes that stand there');
like($r->{headers}{'content-type'}, qr{^text/plain\b}, 'as text/plain');
is($r->{headers}{'x-company-id'}, $acme->{id}, 'the reply names the company');
is($r->{headers}{'x-account-id'}, $acme->{accounts}{main}{id}, 'and the account');
like($r->{headers}{'x-request-id'} // '', qr/^[\w.-]{8,}$/, 'and has a request id');

$r = $client->send({ version => '3.0', action => 'ping' }, headers => { 'accept-encoding' => 'gzip, deflate' });
is($r->{headers}{'content-encoding'}, undef, 'mod_deflate leaves the answer alone');
is_deeply($r->{answer}, { data => { status => 'active' } }, 'so that it stays base64');

$r = $client->send({ version => '3.0', action => 'ping' }, headers => { 'x-request-id' => 'abc-123.DEF_4' });
is($r->{headers}{'x-request-id'}, 'abc-123.DEF_4', 'a sane request id of the caller is kept');
$r = $client->send({ version => '3.0', action => 'ping' }, headers => { 'x-request-id' => "a b\"<x>" });
isnt($r->{headers}{'x-request-id'}, 'a b"<x>', 'one that is not sane is replaced');

for my $len (16, 24, 32) {
    $r = $client->send({ version => '3.0', action => 'ping' }, key => 'k' x $len);
    is($r->{answer}{data}{status}, 'active', "an AES key of $len bytes is understood");
}
$r = $client->send({ version => '3.0', action => 'ping' }, iv => 'i' x 12);
is($r->{answer}{data}{status}, 'active', 'an IV of 12 bytes is understood');
is($client->with(data_api => '4.0')->ping->{answer}{data}{status}, 'active', 'data API 4.0 is the same');

# ---- bad input -------------------------------------------------------------------------------------------------

answers($client->init, 'CHOOSE_SERVICE', 'a session is there that bad input could harm');
my $before = $stack->dbh->selectrow_arrayref('SELECT count(*), sum(step), max(last_step_at) FROM wflows.flow_sessions');
my $sealed = sub { return $client->seal($json->encode($client->request('data_exchange', 'CHOOSE_SERVICE',
    { service => 'haircut', day => '2030-05-17' }))) };

for my $method (qw(GET PUT DELETE PATCH HEAD)) {
    $r = $client->post($sealed->()->{body}, method => $method);
    is($r->{status}, 405, "$method is not allowed");
    is($r->{headers}{allow}, 'POST', "and the reply to $method says what is") unless $method eq 'HEAD';
}

# Nothing of this may cost an RSA operation: the sender has not shown that Meta relayed it.
my $rsa = metric($stack, 'wflows_rsa_private_operations_total');
my $good = $sealed->()->{body};
my $signature = $client->signature($good);
refused($client->post($good, signature => ''), 432, 'no signature');
refused($client->post($good, signature => $client->signature($good, 'another-secret')), 432, 'the signature of another secret');
refused($client->post("$good ", signature => $signature), 432, 'a signature of other bytes: one space more');
refused($client->post($good, signature => substr($signature, 0, -1)), 432, 'a digit is missing');
refused($client->post($good, signature => "${signature}0"), 432, 'a digit too many');
refused($client->post($good, signature => ($signature =~ s/\Asha256=//r)), 432, 'no "sha256="');
refused($client->post($good, signature => ($signature =~ s/\Asha256/sha1/r)), 432, 'another algorithm');
refused($client->post($good, signature => ($signature =~ s/.\z/g/r)), 432, 'a letter that is no hex digit');
refused($client->post($good, signature => 'sha256=' . '0' x 64), 432, 'zeros');
refused($client->post($good, signature => 'sha256='), 432, 'an empty digest');
is(metric($stack, 'wflows_rsa_private_operations_total'), $rsa, 'and none of these cost an RSA operation');

refused($client->post('x' x 70_000), 413, 'a body over the cap');
my $chunked = $client->{http}->request('POST', $client->{url}, { headers => { 'x-hub-signature-256' => 'sha256=' . '0' x 64 },
    content => do { my $n = 0; sub { return $n++ < 20 ? 'x' x 5000 : undef } } });
is($chunked->{status}, 413, 'a chunked body over the cap');

my %not_an_envelope = (
    'an empty body' => '',
    'text that is not JSON' => 'hello',
    'JSON cut short' => substr($good, 0, 100),
    'an array' => '[]',
    'a string' => '"x"',
    'null' => 'null',
    'an empty object' => '{}',
    'a member that is missing' => $json->encode({ encrypted_flow_data => 'AAAA', initial_vector => 'AAAA' }),
    'a member that is a number' => $json->encode({ encrypted_flow_data => 'AAAA', encrypted_aes_key => 1, initial_vector => 'AAAA' }),
    'a member that is null' => $json->encode({ encrypted_flow_data => 'AAAA', encrypted_aes_key => undef, initial_vector => 'AAAA' }),
    'bytes that are not UTF-8' => "{\"encrypted_flow_data\":\"\xff\xfe\"}",
    'a NUL' => "{\"a\":\"\0\"}",
    'a tower of arrays' => '[' x 20_000,
);
refused($client->post($not_an_envelope{$_}), 400, "not the envelope: $_") for sort keys %not_an_envelope;

my $part = sub {
    my ($name, $change) = @_;
    my $s = $sealed->();
    my $e = $json->decode($s->{body});
    $e->{$name} = $change->($e->{$name});
    return $json->encode($e);
};
my $bytes = sub { my ($f) = @_; return sub { return encode_base64($f->(decode_base64($_[0])), '') } };
my %undecryptable = (
    'a flipped tag' => $part->('encrypted_flow_data', $bytes->(sub { substr($_[0], 0, -1) . (substr($_[0], -1) ^ "\x01") })),
    'a flipped ciphertext' => $part->('encrypted_flow_data', $bytes->(sub { ("\x01" ^ substr($_[0], 0, 1)) . substr($_[0], 1) })),
    'data of 16 bytes' => $part->('encrypted_flow_data', $bytes->(sub { substr($_[0], 0, 16) })),
    'no data' => $part->('encrypted_flow_data', sub { '' }),
    'data that is not base64' => $part->('encrypted_flow_data', sub { '!!!!' }),
    'the URL alphabet' => $part->('encrypted_flow_data', sub { '-_-_' . substr($_[0], 4) }),
    'a flipped key' => $part->('encrypted_aes_key', $bytes->(sub { substr($_[0], 0, -1) . (substr($_[0], -1) ^ "\x01") })),
    'a key of 255 bytes' => $part->('encrypted_aes_key', $bytes->(sub { substr($_[0], 1) })),
    'a key of 257 bytes' => $part->('encrypted_aes_key', $bytes->(sub { "\0$_[0]" })),
    'no key' => $part->('encrypted_aes_key', sub { '' }),
    'an IV of 15 bytes' => $part->('initial_vector', $bytes->(sub { substr($_[0], 1) })),
    'an IV of 17 bytes' => $part->('initial_vector', $bytes->(sub { "x$_[0]" })),
    'another IV' => $part->('initial_vector', $bytes->(sub { 'y' x 16 })),
    'no IV' => $part->('initial_vector', sub { '' }),
);
my %shape;
for my $what (sort keys %undecryptable) {
    $r = refused($client->post($undecryptable{$what}), 421, "undecryptable: $what");
    my %h = %{ $r->{headers} };
    delete @h{qw(date x-request-id traceparent)};
    $shape{ $json->encode(\%h) }++;
}
my $stranger = do { my $pk = Crypt::PK::RSA->new; $pk->generate_key(256, 65537); $client->with(public_key => $pk->export_key_pem('public')) };
$r = refused($stranger->send({ version => '3.0', action => 'ping' }), 421, 'undecryptable: encrypted for another key');
is(scalar keys %shape, 1, 'and nothing in the replies tells the reasons apart') or diag(map { "  $_\n" } keys %shape);

# "\x61" is a Perl string: RSA-OAEP around a key that AES does not have.
$r = refused($client->post(do {
    my $e = $json->decode($sealed->()->{body});
    $e->{encrypted_aes_key} = encode_base64($client->{rsa}->encrypt('short', 'oaep', 'SHA256'), '');
    $json->encode($e);
}), 421, 'undecryptable: an AES key of 5 bytes');
$r = refused($client->post(do {
    my $e = $json->decode($sealed->()->{body});
    $e->{encrypted_aes_key} = encode_base64($client->{rsa}->encrypt('0123456789abcdef', 'oaep', 'SHA1'), '');
    $json->encode($e);
}), 421, 'undecryptable: OAEP with SHA-1');

for my $plain ('hello', '[]', '"x"', '7', 'null', '{"action":"INIT"', "{\"version\":\"3.0\",\"action\":\"INIT\",\"flow_token\":\"a\xff\"}",
    '{"version":"3.0","action":7}', '{"version":"3.0","action":"data_exchange","screen":"CHOOSE_SERVICE","data":[],"flow_token":"t"}') {
    refused($client->send($plain), 500, "decrypted, but not a request: $plain");
}

refused($acme->client(flow => $_)->init(token => 'tok-nowhere'), 404, "no such flow: $_")
    for 'nosuchflow', 'booking@99', 'booking@x', 'booking@0', 'booking@', 'booking@1@1', 'a' x 65, 'Booking', 'b%2fooking';
refused($acme->client->init(token => 'tok-nowhere'), 404, 'no flow named, none known of the token, and no default');

my $after = $stack->dbh->selectrow_arrayref('SELECT count(*), sum(step), max(last_step_at) FROM wflows.flow_sessions');
is_deeply($after, $before, 'nothing of all this changed a session');

my $data = answers($client->exchange('CHOOSE_SERVICE', {}, action => 'navigate'), 'CHOOSE_SERVICE', 'an unknown action gets the last good screen');
ok(length($data->{error_message} // ''), 'with an error_message');
is(scalar @{ $data->{services} // [] }, 3, 'and the data that the screen needs');
$data = answers($client->exchange('NO_SUCH_SCREEN', { a => 1 }), 'CHOOSE_SERVICE', 'an unknown screen gets the last good screen');
ok(length($data->{error_message} // ''), 'with an error_message');
is($acme->sessions('tok-endpoint-1')->[0]{step}, 1, 'and neither advanced the session');
answers($client->exchange('CHOOSE_SERVICE', { service => 'haircut', day => '2030-05-17' }), 'CHOOSE_TIME', 'which still goes on where it was');

# ---- keys in every form --------------------------------------------------------------------------------------------

sub openssl {
    my ($command, $stdin) = @_;
    return run(command => ['openssl', split ' ', $command], stdin => $stdin, check => 1)->{out};
}
my $pkcs8 = openssl('genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048');
my %form = (
    'PKCS#8' => [$pkcs8],
    'PKCS#1' => [openssl('rsa -traditional', openssl('genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048'))],
    'encrypted PKCS#8' => [openssl('pkcs8 -topk8 -v2 aes-256-cbc -passout pass:s3cret-words', openssl('genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048')), 's3cret-words'],
    'PKCS#1 with DES-EDE3-CBC, as Meta\'s sample makes it' => [openssl('rsa -traditional -des3 -passout pass:other-words', openssl('genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048')), 'other-words'],
    'PKCS#8 with \n for its line breaks, as it stands in environment files' => [openssl('genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048') =~ s/\n/\\n/gr],
);
my $forms = Wflows::Tenant->add($stack, slug => 'forms', accounts => []);
my $n = 0;
for my $name (sort keys %form) {
    my ($pem, $passphrase) = @{ $form{$name} };
    my $account = 'form' . $n++;
    $forms->add_account(name => $account, key => $pem, passphrase => $passphrase);
    is($forms->client(account => $account, flow => 'any')->ping->{answer}{data}{status}, 'active', "an imported key decrypts: $name");
}
{
    my $file = $forms->file('wrong.pem', $form{'encrypted PKCS#8'}[0]);
    my $refused = $stack->ctl_raw(['key', 'import', $file, '--company', 'forms', '--account', 'form0', '--passphrase', 'env:WF_WRONG'],
        env => { WF_WRONG => 'not-the-words' });
    isnt($refused->{rc}, 0, 'a wrong passphrase is refused');
    unlike("$refused->{out}$refused->{err}", qr/not-the-words|BEGIN/, 'without showing it or the key');
}

# ---- rotation ---------------------------------------------------------------------------------------------------------

my $turn = Wflows::Tenant->add($stack, slug => 'turn', flows => { booking => \@booking });
my $old = $turn->client(flow => 'booking');
is($old->ping->{answer}{data}{status}, 'active', 'before the rotation the key decrypts');
$turn->new_key('main');
my $new = $turn->client(flow => 'booking');
isnt($new->{public_key}, $old->{public_key}, 'the rotation makes another key');
is($new->ping->{answer}{data}{status}, 'active', 'after it the new key decrypts');
is($old->ping->{answer}{data}{status}, 'active', 'and the old one still does');
$turn->new_key('main', overlap => '1s');
my $newest = $turn->client(flow => 'booking');
refused($old->ping, 421, 'a key two rotations back is gone');
sleep 1.3;
refused($new->ping, 421, 'after its time the old key is gone, so that the phone fetches the new one');
is($newest->ping->{answer}{data}{status}, 'active', 'which decrypts');

my $first = $newest->{app_secret};
my $set_secret = sub { my ($secret, @more) = @_;
    $stack->{known_secrets}{$secret} = $secret;
    $stack->ctl('account', 'set', 'main', '--company', 'turn', @more, { 'app-secret' => $secret }) };
$set_secret->('second-app-secret');
is($newest->with(app_secret => 'second-app-secret')->ping->{status}, 200, 'the new app secret counts');
is($newest->with(app_secret => $first)->ping->{status}, 200, 'and the old one still does');
refused($newest->with(app_secret => 'third-app-secret')->ping, 432, 'a third one does not');
$set_secret->('third-app-secret', '--overlap', '1s');
refused($newest->with(app_secret => $first)->ping, 432, 'the first one is gone');
sleep 1.3;
refused($newest->with(app_secret => 'second-app-secret')->ping, 432, 'after its time the second is gone');
is($newest->with(app_secret => 'third-app-secret')->ping->{status}, 200, 'the third counts');

# ---- several numbers behind one URL ---------------------------------------------------------------------------------------

my $multi = Wflows::Tenant->add($stack, slug => 'multi', flows => { booking => \@booking },
    accounts => [map { { name => $_ } } qw(north south east)]);
for my $account (qw(north south east)) {
    $r = $multi->client(flow => 'booking', key_of => $account)->init(token => "tok-of-$account");
    answers($r, 'CHOOSE_SERVICE', "a request for $account\'s key is answered where the path names no account");
    is($r->{headers}{'x-account-id'}, $multi->{accounts}{$account}{id}, "and is $account\'s");
    is($multi->sessions("tok-of-$account")->[0]{account_id}, $multi->{accounts}{$account}{id}, 'the session too');
}
is($multi->client(flow => 'booking', account => 'south')->ping->{status}, 200, 'the path names an account by id');
is($multi->client(flow => 'booking', account => 'south', account_as => $multi->{accounts}{south}{phone_number_id})->ping->{status},
    200, 'or by phone_number_id');
my $mixed = $multi->client(flow => 'booking', account => 'south', key_of => 'south');
refused($mixed->with(public_key => $multi->{accounts}{north}{public_key})->ping, 421, 'a named account has only its own key');
refused($mixed->with(app_secret => $multi->{accounts}{north}{app_secret})->ping, 432, 'and its own secret');
my $plain = $multi->client(flow => 'booking', key_of => 'east');
is($plain->send({ version => '3.0', action => 'ping' }, headers => { 'x-whatsapp-account' => $multi->{accounts}{east}{id} })->{headers}{'x-account-id'},
    $multi->{accounts}{east}{id}, 'X-WhatsApp-Account names the account');
is($plain->with(url => "$plain->{url}?account=$multi->{accounts}{east}{id}")->ping->{headers}{'x-account-id'},
    $multi->{accounts}{east}{id}, 'and so does ?account=');
refused($plain->send({ version => '3.0', action => 'ping' }, headers => { 'x-whatsapp-account' => $multi->{accounts}{north}{id} }), 432,
    'the header of another account does not help');

my $bare = Wflows::Tenant->add($stack, slug => 'bare', accounts => [{ name => 'nokey', no_key => 1 }, { name => 'nosecret', app_secret => undef }]);
my $any = $acme->{accounts}{main}{public_key};
$bare->{accounts}{nokey}{public_key} = $any;
refused($bare->client(account => 'nokey', flow => 'x')->ping, 421, 'an account without a key decrypts nothing');
$bare->{accounts}{nosecret}{app_secret} = 'guess';
refused($bare->client(account => 'nosecret', flow => 'x')->ping, 432, 'an account without an app secret accepts no signature');
refused($bare->client(account => 'nosecret', flow => 'x')->with(app_secret => '')->ping, 432, 'not even that of the empty secret');

# ---- flow_token_signature ----------------------------------------------------------------------------------------------------

sub jwt {
    my ($payload, $secret, $header) = @_;
    my $signed = join('.', map { encode_base64url($json->encode($_)) } $header // { alg => 'HS256', typ => 'JWT' }, $payload);
    return "$signed." . encode_base64url(hmac_sha256($signed, $secret));
}
is(jwt({ flow_token => 'tok-1' }, 'app-secret-1', undef) =~ /\.eyJmbG93X3Rva2VuIjoidG9rLTEifQ\./ ? 1 : 0, 1, 'the test makes the JWT of WHATSAPP.md 1.7');
my $v4 = $acme->client(flow => 'booking', data_api => '4.0');
my $app_secret = $acme->{accounts}{main}{app_secret};
my $signed = sub { my ($token, $jwt) = @_; return $v4->init(token => $token, flow_token_signature => $jwt) };
answers($signed->('tok-s1', jwt({ flow_token => 'tok-s1' }, $app_secret)), 'CHOOSE_SERVICE', 'a good flow_token_signature');
my %forged = (
    'signed with another secret' => jwt({ flow_token => 'tok-s2' }, 'guess'),
    'for another token' => jwt({ flow_token => 'tok-s1' }, $app_secret),
    'without a token' => jwt({}, $app_secret),
    'alg none' => (jwt({ flow_token => 'tok-s2' }, $app_secret, { alg => 'none' }) =~ s/\.[^.]*\z/./r),
    'alg none, signed' => jwt({ flow_token => 'tok-s2' }, $app_secret, { alg => 'none' }),
    'alg HS512' => jwt({ flow_token => 'tok-s2' }, $app_secret, { alg => 'HS512' }),
    'not a JWT' => 'hello',
    'two parts' => 'a.b',
);
for my $what (sort keys %forged) {
    $r = $signed->('tok-s2', $forged{$what});
    ok($r->{status} == 427 || $r->{status} == 432, "a flow_token_signature is refused: $what") or diag("status $r->{status}");
}
is_deeply($acme->sessions('tok-s2'), [], 'and no session was begun');
answers($v4->init(token => 'tok-s3'), 'CHOOSE_SERVICE', 'its absence is no error');

# ---- which flow ------------------------------------------------------------------------------------------------------------------

my $unnamed = $acme->client;
answers($unnamed->exchange('CHOOSE_SERVICE', { service => 'colour', day => '2030-06-01' }, token => 'tok-s1'), 'CHOOSE_TIME',
    'without a name in the path the session knows the flow');
$stack->ctl('account', 'set', 'main', '--company', 'acme', '--default-flow', 'booking');
answers($unnamed->init(token => 'tok-default'), 'CHOOSE_SERVICE', 'a new token gets the account\'s default flow');

cmp_ok(metric($stack, 'wflows_crypto_failures_total', 'reason="signature"'), '>=', 10, 'signature failures are counted');
cmp_ok(metric($stack, 'wflows_crypto_failures_total', 'reason="decrypt"'), '>=', 5, 'undecryptable requests are counted');

errlog_ok($stack, ignore => ['WF0185', 'WF0420', 'WF0422']);
done_testing();
