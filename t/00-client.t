#!/usr/bin/perl
# The test client against the vectors of WHATSAPP.md 1.7 and of the corpus: what it says about the server
# is worth as much as it is right itself.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Crypt::PK::RSA ();
use MIME::Base64 qw(decode_base64);
use Test::More;
use Wflows::Client;
use Wflows::Test qw(corpus_dir corpus_docs);

my $pair = Crypt::PK::RSA->new;
$pair->generate_key(256, 65537);
my $client = Wflows::Client->new(url => 'http://127.0.0.1:1/', public_key => $pair->export_key_pem('public'),
    app_secret => 'app-secret-1');

my $key = pack('H*', '000102030405060708090a0b0c0d0e0f');
my $iv = pack('H*', 'a0a1a2a3a4a5a6a7a8a9aaabacadaeaf');
my $sealed = $client->seal('{"version":"3.0","action":"ping"}', key => $key, iv => $iv);
my $envelope = Cpanel::JSON::XS->new->decode($sealed->{body});
is($envelope->{encrypted_flow_data}, 'RXsgKMV2vzp9Rg/3Nn9QNv1AIVWqxNBHbiobq+p97njG/oEBr518kbftZkNYkqEcIg==',
    'the request vector of WHATSAPP.md 1.7 is encrypted as it stands there');
is($pair->decrypt(decode_base64($envelope->{encrypted_aes_key}), 'oaep', 'SHA256'), $key, 'the AES key travels in RSA-OAEP');
is($client->open_answer('FusEzBdzvQC+45OrlNKuLz5JY7ITAEKuw/x2vQfdtCN50KTnDUi/t1juMWA=', $key, $iv),
    '{"data":{"status":"active"}}', 'the answer vector is decrypted with the inverted IV');
is($client->open_answer('FusF3xF97WWosof9z4SXNXIYYbYIBEKqw7opvQ5KyDwm4bpNLk1AXbBkuQY=', $key, $iv),
    '{"error_msg":"Link expired"}', 'the vector of the 427 body is decrypted');
is($client->open_answer('FusEzBdzvQC+45OrlNKuLz5JY7ITAEKuw/x2vQfdtCN50KTnDUi/t1juMVA=', $key, $iv), undef,
    'an answer with a wrong tag is not taken');
is($client->open_answer(qq{"FusEzBdzvQC+45OrlNKuLz5JY7ITAEKuw/x2vQfdtCN50KTnDUi/t1juMWA="}, $key, $iv), undef,
    'an answer in quotes is not taken');
is($client->signature('{"object":"whatsapp_business_account","entry":[]}'),
    'sha256=0ca28c0f1996234eb6829e59ad3c11a18161f6eb043943d601e420c312432cdf', 'the signature vector');

# OpenSSL, with both hashes set by hand, agrees about OAEP: CryptX means SHA-256 for MGF1 too.
SKIP: {
    open(my $fh, '>', "/tmp/wf-client-$$.pem") or skip 'no /tmp', 1;
    print {$fh} $pair->export_key_pem('private');
    close($fh);
    open($fh, '>:raw', "/tmp/wf-client-$$.bin");
    print {$fh} decode_base64($envelope->{encrypted_aes_key});
    close($fh);
    my $got = qx{openssl pkeyutl -decrypt -inkey /tmp/wf-client-$$.pem -in /tmp/wf-client-$$.bin -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256};
    unlink "/tmp/wf-client-$$.pem", "/tmp/wf-client-$$.bin";
    is($got, $key, 'OpenSSL opens what CryptX wrapped, with SHA-256 for OAEP and for MGF1');
}

done_testing();
