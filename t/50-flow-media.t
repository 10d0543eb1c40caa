#!/usr/bin/perl
# Files that users send in a flow (WHATSAPP.md section 3): an exchange that brings one makes a row and something
# to fetch, and their keys stand nowhere in clear.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Test::More;
use Wflows::Flows qw(linear_flow);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok need start_stack);

need('pg', 'redis', 'httpd');
my $stack = start_stack();
my $acme = Wflows::Tenant->add($stack, slug => 'acme', flows => { plain => [linear_flow(['FIRST', 'SECOND', 'THIRD'])] });
my $dbh = $stack->dbh;
$dbh->do('SET ROLE wflows_platform');

my %keys = (
    encrypted_hash => 'ioHPaBNyRv4rYTCbQLFF03fZw8oz/8RWpAOIJ4UFa6U=', iv => 'QEFCQ0RFRkdISUpLTE1OTw==',
    encryption_key => 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=',
    hmac_key => 'ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=',
    plaintext_hash => 'eyO6ipAIseL8SS9w3zAZ2ZLHDC6Mv6qXrQDmtMhg+3k=',
);
my $file = { media_id => '5b0e7f2e-0c55-4a0e-9a44-6f7a1d2c9a10', cdn_url => 'https://mmg.whatsapp.net/v/t62/example',
    file_name => 'scan.jpg', encryption_metadata => \%keys };
my $user = $acme->client(flow => 'plain', token => 'tok-media');

answers($user->init, 'FIRST', 'INIT');
answers($user->exchange('FIRST', { answer => 'x', scan => [$file] }), 'SECOND', 'an exchange with a file goes on');
my $rows = $dbh->selectall_arrayref('select * from wflows.media', { Slice => {} });
is(scalar @$rows, 1, 'the file has a row');
is("$rows->[0]{status} $rows->[0]{source} $rows->[0]{media_id} $rows->[0]{file_name}",
    "pending cdn $file->{media_id} scan.jpg", 'that says what it is');
is($rows->[0]{session_id}, $acme->sessions('tok-media')->[0]{id}, 'of this session');
my $jobs = $dbh->selectall_arrayref("select * from wflows.outbox where consumer = 'media'", { Slice => {} });
is(scalar @$jobs, 1, 'there is one thing to fetch');
is($jobs->[0]{idempotency_key}, $rows->[0]{id}, 'this file');

answers($user->back('SECOND'), 'FIRST', 'BACK');
answers($user->exchange('FIRST', { answer => 'y', scan => [$file] }), 'SECOND', 'the same file sent again');
is($dbh->selectrow_array('select count(*) from wflows.media'), 1, 'is the same row');
is($dbh->selectrow_array("select count(*) from wflows.outbox where consumer = 'media'"), 1, 'and is fetched once');

answers($user->exchange('SECOND', { answer => 'z' }), 'THIRD', 'on');
my $params = answers($user->exchange('THIRD', { answer => 'end' }), 'SUCCESS', 'the end')->{extension_message_response}{params};
is_deeply($params->{scan}, [{ id => $rows->[0]{id}, media_id => $file->{media_id}, file_name => 'scan.jpg',
    sha256 => '7b23ba8a9008b1e2fc492f70df3019d992c70c2e8cbfaa97ad00e6b4c860fb79', status => 'pending' }],
    'the answers name the file');

for my $table (qw(media outbox flow_sessions flow_responses webhook_events audit_logs)) {
    my $all = join("\n", map { $_->[0] } @{ $dbh->selectall_arrayref("select t::text from wflows.$table t") });
    ok(!(grep { index($all, $_) >= 0 } @keys{qw(encryption_key hmac_key iv)}, $file->{cdn_url}),
        "neither keys nor link stand in $table");
}

$stack->{known_secrets} = { map { $_ => $keys{$_} } qw(encryption_key hmac_key) };
errlog_ok($stack);
done_testing;
