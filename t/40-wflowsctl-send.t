#!/usr/bin/perl
# wflowsctl send against an endpoint on CryptX: what it sends is what the protocol says, and what comes
# back is understood, status by status. The endpoint shares nothing with the library.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Crypt::AuthEnc::GCM ();
use Crypt::Mac::HMAC qw(hmac_hex);
use Crypt::PK::RSA ();
use File::Temp qw(tempdir);
use IO::Socket::INET;
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX ();
use Test::More;
use Wflows::Ctl qw(ctl_fails ctl_ok json_of);
use Wflows::Process qw(read_file write_file);
use Wflows::Test qw(need start_stack);

need('pg', 'redis');
my $json = Cpanel::JSON::XS->new->utf8->allow_nonref;
my $stack = start_stack(only_stores => 1);
my $dir = $stack->{dir};

# ---- the endpoint -------------------------------------------------------------------------------------------

my $pair = Crypt::PK::RSA->new;
$pair->generate_key(256, 65537);
my $secret = 'app-secret-of-the-test';

# What the path asks for: status, and what becomes of the body.
my %answer = (
    ping => [200, sub { '{"data":{"status":"active"}}' }],
    echo => [200, sub { $json->encode({ screen => 'ECHO', data => { got => $_[0] } }) }],
    expired => [427, sub { '{"error_msg":"Link expired"}' }],
    gone => [427, undef], undecryptable => [421, undef], signature => [432, undef], broken => [500, undef], strange => [418, undef],
    notjson => [200, sub { 'not JSON' }],
);

sub seal {
    my ($text, $key, $iv) = @_;
    my $gcm = Crypt::AuthEnc::GCM->new('AES', $key, $iv ^ ("\xff" x 16));
    my $sealed = $gcm->encrypt_add($text);
    return encode_base64($sealed . $gcm->encrypt_done, '');
}

# One request: what it is, checked with CryptX, goes into the log as a line of JSON.
sub serve {
    my ($client, $log) = @_;
    my %h;
    my ($method, $path) = (<$client> // '') =~ /^(\S+) (\S+) HTTP/ or return;
    while (defined(my $line = <$client>)) {
        last if $line =~ /^\r?\n$/;
        $h{ lc $1 } = $2 if $line =~ /^([^:]+):\s*(.*?)\r?\n$/;
    }
    read($client, my $body, $h{'content-length'} // 0);
    my $envelope = eval { $json->decode($body) } // {};
    my $key = eval { $pair->decrypt(decode_base64($envelope->{encrypted_aes_key}), 'oaep', 'SHA256') };
    my $iv = decode_base64($envelope->{initial_vector} // '');
    my $sealed = decode_base64($envelope->{encrypted_flow_data} // '');
    my $plain;
    if (defined $key) {
        my $gcm = Crypt::AuthEnc::GCM->new('AES', $key, $iv);
        my ($data, $tag) = (substr($sealed, 0, -16), substr($sealed, -16));
        my $text = $gcm->decrypt_add($data);
        $plain = $text if $gcm->decrypt_done($tag);
    }
    print {$log} $json->encode({
        method => $method, path => $path, type => $h{'content-type'}, key_len => defined $key ? length $key : undef, iv_len => length $iv,
        key => unpack('H*', $key // ''), iv => unpack('H*', $iv), plain => $plain, members => [sort keys %$envelope],
        signed => ($h{'x-hub-signature-256'} // '') eq 'sha256=' . hmac_hex('SHA256', $secret, $body) ? 1 : 0 }), "\n";
    my ($name) = $path =~ m{([^/]+)$};
    my ($status, $make) = @{ $answer{$name} // [200, sub { '{"data":{}}' }] };
    my $reply = $name eq 'foreign' ? seal('{"data":{}}', 'k' x 16, $iv) : $name eq 'quoted' ? '"' . seal('{}', $key, $iv) . '"'
        : $make ? seal($make->($plain), $key, $iv) : '';
    print {$client} "HTTP/1.1 $status X\r\nContent-Type: text/plain\r\nX-Request-Id: request-7\r\nContent-Length: ", length $reply,
        "\r\nConnection: close\r\n\r\n$reply";
}

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16, ReuseAddr => 1) or die "no socket: $!";
my $base = 'http://127.0.0.1:' . $listener->sockport;
my $log_file = "$dir/endpoint.log";
my $server = fork() // die "fork: $!";
if (!$server) {
    $SIG{TERM} = sub { POSIX::_exit(0) };
    open(my $log, '>>', $log_file) or POSIX::_exit(1);
    $log->autoflush(1);
    while (my $client = $listener->accept) {
        eval { serve($client, $log); 1 } or warn "# the endpoint: $@";
        close($client);
    }
    POSIX::_exit(0);
}
close($listener);
END { if ($server) { local $?; kill 'TERM', $server; waitpid($server, 0) } }

my $seen = 0;
sub requests {
    my @lines = -e $log_file ? split(/\n/, read_file($log_file)) : ();
    my @new = map { $json->decode($_) } @lines[$seen .. $#lines];
    $seen = @lines;
    return @new;
}

# ---- without a database: everything on the command line ----------------------------------------------------------

my $public = write_file("$dir/endpoint.pem", $pair->export_key_pem('public_x509'), 0644);
my @self = ('--public-key', $public, '--app-secret', 'env:APP_SECRET');
my %env = (env => { APP_SECRET => $secret, WFLOWSCTL_CONFIG => write_file("$dir/empty.conf", '', 0600) });

my $r = ctl_ok($stack, ['send', 'ping', '--url', "$base/ping", @self, '--json'], 'send ping', %env);
is($r->{status}, 200, 'the status comes back');
is_deeply($r->{reply}, { data => { status => 'active' } }, 'and the decrypted answer');
is($r->{request_id}, 'request-7', 'and the request id');
my ($got) = requests();
is($got->{method}, 'POST', 'it was posted');
is($got->{type}, 'application/json', 'as JSON');
is_deeply($got->{members}, [qw(encrypted_aes_key encrypted_flow_data initial_vector)], 'the envelope has its three members');
is($got->{key_len}, 16, 'the AES key has 128 bits and travels in RSA-OAEP with SHA-256');
is($got->{iv_len}, 16, 'the IV has 16 bytes');
is($got->{signed}, 1, 'the raw body is signed with the app secret');
is_deeply($json->decode($got->{plain}), { version => '3.0', action => 'ping' }, 'a ping is nothing but version and action');

my $people = ctl_ok($stack, ['send', 'ping', '--url', "$base/ping", @self], 'send ping, for people', %env);
is_deeply($json->decode($people->{out}), { data => { status => 'active' } }, 'standard output is the answer alone');
like($people->{err}, qr/^200 in [\d.]+ ms, request request-7$/m, 'standard error has status, time and request id');

requests();
ctl_ok($stack, ['send', 'data_exchange', '--url', "$base/echo", @self, '--screen', 'FORM', '--data', "{\"name\": \"Jos\xc3\xa9\", \"n\": [1, null]}",
    '--token', 't 1/2', '--api-version', '4.0'], 'send data_exchange', %env);
($got) = requests();
is_deeply($json->decode($got->{plain}),
    { version => '4.0', action => 'data_exchange', screen => 'FORM', data => { name => "Jos\x{e9}", n => [1, undef] }, flow_token => 't 1/2' },
    'all that was said is in the request');
ctl_ok($stack, ['send', 'INIT', '--url', "$base/echo", @self, '--token', 't1', '--data', '@' . write_file("$dir/data.json", '{"a":1}')], 'send INIT, data from a file', %env);
($got) = requests();
is_deeply($json->decode($got->{plain}), { version => '3.0', action => 'INIT', data => { a => 1 }, flow_token => 't1' }, 'with that data');
ctl_ok($stack, ['send', '--raw', '-', '--url', "$base/ping", @self], 'send --raw', %env, stdin => "{not json\n");
($got) = requests();
is($got->{plain}, "{not json\n", 'sends the text as it stands');

my $many = ctl_ok($stack, ['send', 'ping', '--url', "$base/ping", @self, '--count', '5', '--json'], 'send --count 5', %env);
is_deeply([@$many{qw(sent ok)}], [5, 5], 'five sent, five answered');
cmp_ok($many->{least_us}, '<=', $many->{mean_us}, 'with their times');
my @five = requests();
my %keys = map { ("$_->{key}$_->{iv}" => 1) } @five;
is(scalar @five, 5, 'five arrived');
is(scalar keys %keys, 5, 'each with a key and an IV of its own');

# ---- other answers ---------------------------------------------------------------------------------------------

for my $case (['expired', 427, qr/token is not valid/], ['gone', 427, qr/token is not valid/], ['undecryptable', 421, qr/public key/],
    ['signature', 432, qr/app secret/], ['broken', 500, qr/error log/], ['strange', 418, qr/not a status/]) {
    my ($path, $status, $meaning) = @$case;
    my $other = $stack->ctl_raw(['send', 'INIT', '--url', "$base/$path", @self, '--json'], %env);
    is($other->{rc}, 1, "$path: anything but 200 is 1");
    my $document = json_of($other, $path);
    is($document->{status}, $status, "$path: the status comes out");
    like($document->{meaning}, $meaning, "$path: and what it means");
    is_deeply($document->{reply}, $path eq 'expired' ? { error_msg => 'Link expired' } : undef, "$path: the reply is decrypted where there is one");
}
ctl_fails($stack, ['send', 'ping', '--url', "$base/foreign", @self, '--json'], 7, qr/./, 'an answer with another key does not decrypt: 7', %env);
ctl_fails($stack, ['send', 'ping', '--url', "$base/quoted", @self], 5, qr/base64/, 'an answer in quotes is refused', %env);
ctl_fails($stack, ['send', 'ping', '--url', "$base/notjson", @self], 5, qr/./, 'an answer that is not JSON is refused', %env);
ctl_fails($stack, ['send', 'ping', '--url', 'http://127.0.0.1:1/x', @self, '--json'], 9, qr/./, 'nobody there is 9', %env);
ctl_fails($stack, ['send', 'ping', '--url', 'gopher://x/', @self], 5, qr/./, 'a URL that is none is 5', %env);
ctl_fails($stack, ['send', 'frob', '--url', $base, @self], 2, qr/'frob' is no action/, 'an unknown action is 2', %env);
ctl_fails($stack, ['send', '--url', $base, @self], 2, qr/what to send is missing/, 'no action is 2', %env);
ctl_fails($stack, ['send', 'ping', @self], 2, qr/say where to/, 'no target is 2', %env);
ctl_fails($stack, ['send', 'ping', '--url', $base, '--public-key', $public], 2, qr/without --company/, 'half of a target is 2', %env);
ctl_fails($stack, ['send', 'ping', '--raw', '-', '--url', $base, @self], 2, qr/--raw is the whole request/, '--raw beside an action is 2', %env);
ctl_fails($stack, ['send', 'INIT', '--url', $base, @self, '--data', '[]'], 5, qr/not an object/, 'data that is no object is 5', %env);
ctl_fails($stack, ['send', 'ping', '--url', $base, '--public-key', $log_file, '--app-secret', 'env:APP_SECRET'], 5, qr/./, 'a public key that is none is 5', %env);

# ---- from the database -------------------------------------------------------------------------------------------

requests();
ctl_ok($stack, ['company', 'add', 'acme', '--name', 'Acme', '--plan', 'pro'], 'a company');
my $main = ctl_ok($stack, ['account', 'add', '--company', 'acme', '--name', 'main', '--phone-number-id', '100000001', '--json'], 'an account without secrets');
my @acme = ('--company', 'acme', '--base-url', "$base/", '--flow', 'survey@2');
ctl_fails($stack, ['send', 'ping', @acme], 4, qr/no key to encrypt for/, 'without a key it is 4');
ctl_ok($stack, ['key', 'import', write_file("$dir/private.pem", $pair->export_key_pem('private'), 0600), '--company', 'acme'], 'its key');
ctl_fails($stack, ['send', 'ping', @acme], 4, qr/no app secret to sign with/, 'without an app secret it is 4');
ctl_ok($stack, ['account', 'set', 'main', '--company', 'acme', '--app-secret', 'env:S'], 'its app secret', env => { S => $secret });
ctl_ok($stack, ['send', 'ping', @acme], 'send takes key and app secret from the database');
($got) = requests();
is($got->{signed}, 1, 'that app secret signed it');
is($got->{path}, '/company/acme/flows/endpoint/survey@2', 'the path is that of the default account');
ctl_ok($stack, ['send', 'ping', @acme, '--account', 'main'], 'send to a named account');
($got) = requests();
is($got->{path}, "/company/acme/account/$main->{id}/flows/endpoint/survey\@2", 'is a path with the account');
ctl_ok($stack, ['send', 'ping', '--company', 'acme', '--base-url', $base], 'send without a flow');
($got) = requests();
is($got->{path}, '/company/acme/flows/endpoint', 'is a path without one');
ctl_ok($stack, ['send', 'ping', '--company', '../x y', '--base-url', $base, @self], 'what is typed cannot break out of its place in the path', %env);
($got) = requests();
like($got->{path}, qr{^/company/\.\.%2fx%20y/flows/endpoint$}i, 'it is escaped');
ctl_fails($stack, ['send', 'ping', @acme[2 .. 5], '--company', 'nobody'], 4, qr/no company 'nobody'/, 'an unknown company is 4');

done_testing();
