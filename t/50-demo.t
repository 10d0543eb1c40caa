#!/usr/bin/perl
# What ./run-demo starts, in a tree of its own: the walk, the webhook that becomes a callback, stop and start.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Cwd qw(abs_path);
use Digest::SHA qw(hmac_sha256_base64);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use MIME::Base64 qw(decode_base64);
use Test::More;
use Time::HiRes qw(time);
use Wflows::Process qw(alive read_file run);
use Wflows::Test qw(need);

need('pg', 'redis', 'httpd');
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $main = $$;
my $src = abs_path($ENV{WF_SRCDIR} // '.');
my $tree = tempdir('wflows-demo-XXXXXX', TMPDIR => 1);
chmod 0755, $tree;
symlink("$src/$_", "$tree/$_") or die "symlink: $!" for qw(conf demo schema);
my $run = "$tree/.run";
my $http = HTTP::Tiny->new(timeout => 10);

sub demo {
    my ($word) = @_;
    return run(command => [$^X, "-I$src/t/lib", "$src/demo/demo.pl", $word], timeout => 180,
        env => { WF_SRCDIR => $tree });
}

# The demo's servers outlive who starts them.
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);
END {
    if (defined $main && $$ == $main && defined $tree) {
        my $status = $?;
        my $folder = abs_path($run);
        demo('stop');
        remove_tree($tree, grep { defined } $folder);
        $? = $status;
    }
}

sub pids { return map { my ($pid) = eval { read_file("$run/$_") =~ /\A(\d+)/ }; $pid // 0 } qw(httpd/httpd.pid redis/redis.pid pg/data/postmaster.pid receiver.pid) }
sub callbacks { return map { $json->decode($_) } split(/\n/, read_file("$run/callbacks.ndjson")) }

# ---- run ----------------------------------------------------------------------------------------------------

my $r = demo('run');
is($r->{rc}, 0, 'the demo runs') or diag($r->{out}, $r->{err});
like($r->{out}, qr/X-Hub-Signature-256: sha256=[0-9a-f]{64}/, 'it shows the webhook');
like($r->{out}, qr/"flow_completed"/, 'and the callback');
my $is = $json->decode(read_file("$run/demo.json"));
is($http->get("$is->{base_url}/health")->{status}, 200, 'demo.json says where it is');
is(abs_path($is->{callback_log}), abs_path("$run/callbacks.ndjson"), 'and where callbacks are written down');
my @callbacks = callbacks();
is(scalar @callbacks, 1, 'one came');
my $body = $callbacks[0]{body};
is_deeply([sort keys %$body], [sort qw(event_type flow_token flow_id flow_name phone_number response_data timestamp company_id account_id message_id)],
    'with the members of DESIGN section 8');
is_deeply([@$body{qw(event_type flow_name company_id account_id)}], ['flow_completed', 'appointment', $is->{company}{id}, $is->{account}{id}],
    'of this flow, company and account');
is($body->{response_data}{flow_token}, $body->{flow_token}, 'and the answers of the session that was walked');
like($callbacks[0]{webhook_id}, qr/^msg_/, 'and the id of the callback');

# ---- the receiver ---------------------------------------------------------------------------------------------

my ($secret) = map { s/\s+\z//r } read_file("$run/secrets/callback-whsec");
my $key = decode_base64(substr($secret, length 'whsec_'));
my $url = 'http://127.0.0.1:' . $json->decode(read_file("$run/ports.json"))->{receiver} . '/callbacks';

sub call {
    my ($text, %o) = @_;
    my %h = ('webhook-id' => 'msg_test', 'webhook-timestamp' => int(time), %{ $o{headers} // {} });
    my $mac = hmac_sha256_base64("$h{'webhook-id'}.$h{'webhook-timestamp'}.$text", $o{key} // $key);
    $mac .= '=' while length($mac) % 4;
    $h{'webhook-signature'} = $o{signature} // 'v1,' . 'A' x 43 . "= v1,$mac";
    return $http->post($url, { headers => \%h, content => $o{sent} // $text })->{status};
}

is(call(qq({"a":1,\n"b":"x"})), 200, 'the receiver takes what is signed, by one of several signatures');
is_deeply((callbacks())[-1]{body}, { a => 1, b => 'x' }, 'and writes it down as one line');
is(call('{"a":2}', key => 'wrong'), 401, 'not what another key has signed');
is(call('{"a":2}', sent => '{"a":3}'), 401, 'nor another text');
is(call('{"a":2}', signature => ''), 401, 'nor what is not signed');
is(call('{"a":2}', headers => { 'webhook-timestamp' => int(time) - 3600 }), 401, 'nor an old one');
is(call('{"a":'), 400, 'nor what is no JSON');
is($http->get($url)->{status}, 405, 'nor a GET');
is(scalar(() = callbacks()), 2, 'nothing of it is written down');

# ---- stop, start, again ------------------------------------------------------------------------------------------

my @pids = pids();
is(scalar(grep { alive($_) } @pids), 4, 'httpd, Redis, PostgreSQL and the receiver run');
like(demo('status')->{out}, qr/receiver +runs on 127\.0\.0\.1:\d+, pid $pids[3]/, 'status says so');
$r = demo('stop');
is($r->{rc}, 0, 'stop') or diag($r->{out}, $r->{err});
is(scalar(grep { alive($_) } @pids), 0, 'ends all four');
$r = demo('start');
is($r->{rc}, 0, 'start') or diag($r->{out}, $r->{err});
is(scalar(grep { alive($_) } pids()), 4, 'brings them back');
is_deeply($json->decode(read_file("$run/demo.json")), $is, 'with the same data');
is(scalar(() = callbacks()), 2, 'callbacks too');
$r = demo('run');
is($r->{rc}, 0, 'a second run, over what runs') or diag($r->{out}, $r->{err});
is(scalar(() = callbacks()), 3, 'has its own callback');

done_testing();
