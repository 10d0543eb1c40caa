#!/usr/bin/perl
# A secrets sweep: a recognisable secret in every place of the API that takes one, then every reading there is, mistakes
# with secrets in them, and a search for any of them: in replies, logs, audit rows, Redis, every table.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Crypt::PK::RSA;
use File::Temp ();
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(sleep);
use Wflows::Api;
use Wflows::Flows qw(linear_flow);
use Wflows::Graph;
use Wflows::Process qw(find_tool read_file run);
use Wflows::Test qw(errlog_ok need start_stack);

need('pg', 'redis', 'httpd');

my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $graph_dir = File::Temp->newdir('wflows-secrets-XXXXXX', TMPDIR => 1);
my $graph = Wflows::Graph->start(dir => "$graph_dir");
my $stack = start_stack(server_directives => $graph->directives, httpd => {
    log_level => 'debug wflows_tenant:trace8 wflows_flows:trace8 wflows_admin:trace8',
    main => "LogFormat \"%h %u %t \\\"%r\\\" %>s \\\"%{Referer}i\\\" %{WFLOWS_SUBJECT}e\" sweep\nCustomLog access.log sweep\n" });

# ---- every reply is kept --------------------------------------------------------------------------------------------

my @replies;
my %shown; # what a reply may show: the secret that it has just made
{
    no warnings 'redefine';
    my $call = \&Wflows::Api::call;
    *Wflows::Api::call = sub {
        my ($self, $method, $path, $body, %o) = @_;
        my $r = $call->($self, $method, $path, $body, %o);
        push @replies, ["$method $path $r->{status}", join("\n", $r->{body}, map { ref $_ ? @$_ : $_ } values %{ $r->{headers} })];
        return $r;
    };
}

my ($n, %secret) = (0);

# One that is to be found again: no two alike, none in anything else.
sub plant {
    my ($name) = @_;
    return $secret{$name} = sprintf('S3cr3t%02dQ%s', ++$n, substr(unpack('H*', pack('NN', $n * 2654435761 % 4294967296, $n * 40503 + 99991)), 0, 14));
}

# ---- planting -------------------------------------------------------------------------------------------------------

my $platform = Wflows::Api->new($stack);
my $company = $platform->must('POST', '/companies', { slug => 'acme', name => 'Acme', subscription_plan => 'enterprise',
    owner => { email => 'ana@acme.example', name => 'Ana', password => plant('the password of the owner') } });
my $id = $company->{id};
my $in = "/companies/$id";
my $admin = $platform->as(role => 'admin', company => $id);

my %credentials = map { $_ => plant("an account's $_") } qw(access_token app_secret verify_token callback_secret);
my $account = $admin->must('POST', "$in/whatsapp-accounts", { name => 'main', phone_number_id => '71000000001', waba_id => '10000000001', %credentials });
$admin->must('PATCH', "$in/whatsapp-accounts/$account->{id}", { map { $_ => plant("an account's second $_") } qw(access_token app_secret verify_token) });

my $rsa = Crypt::PK::RSA->new;
$rsa->generate_key(256);
my $passphrase = plant('the passphrase of a key');
my @lines = grep { !/-----/ } split(/\n/, $rsa->export_key_pem('private'));
@secret{'a line of a private key', 'another line of it'} = @lines[8, 16];
my $parts = $rsa->key2hash;
$secret{"the key's private exponent"} = substr(lc $parts->{d}, 64, 64);
my $imported = $admin->post("$in/whatsapp-accounts/$account->{id}/import-key", { private_key => $rsa->export_key_pem('private', $passphrase), passphrase => $passphrase });
is($imported->{status}, 200, 'a key is imported') or diag($imported->{body});

my @kinds = (
    ['whatsapp_evolution', { base_url => 'https://evolution.invalid', instance_name => 'one' }, qw(api_key)],
    ['gmail', { client_id => 'c' }, qw(client_secret refresh_token)],
    ['google_calendar', { calendar_id => 'c' }, qw(client_secret refresh_token service_account)],
    ['openai', { model => 'm' }, qw(api_key)],
    ['webhook', { url => 'https://hook.invalid/' }, qw(secret authorization)],
    ['custom', { anything => 'goes' }],
);
for my $kind (@kinds) {
    my ($name, $config, @fields) = @$kind;
    my %given = (%$config, map { $_ => plant("$name: $_") } @fields);
    $given{secrets} = { token => plant('custom: a secret') } if $name eq 'custom';
    my $made = $admin->must('POST', "$in/integrations", { kind => $name, name => $name, config => \%given });
    my %again = map { $_ => plant("$name: the second $_") } @fields;
    $admin->must('PATCH', "$in/integrations/$made->{id}", { config => \%again }) if @fields;
}

my $password = plant('the password of a person');
my $user = $admin->must('POST', "$in/users", { email => 'bo@acme.example', name => 'Bo', role => 'operador', password => $password });
my $login = $platform->as_nobody->must('POST', '/auth/login', { email => 'bo@acme.example', password => $password });
@secret{'an access token', 'a refresh token'} = @$login{qw(access_token refresh_token)};
$shown{'an access token'} = $shown{'a refresh token'} = $#replies;
my $bo = $platform->as(token => $login->{access_token});
$bo->must('POST', '/auth/password', { current_password => $password, new_password => plant('the new password of a person') });
my $again = $platform->as_nobody->must('POST', '/auth/login', { email => 'bo@acme.example', password => $secret{'the new password of a person'} });
@secret{'a later refresh token', 'a later access token'} = @$again{qw(refresh_token access_token)};
$shown{$_} = $#replies for 'a later refresh token', 'a later access token';
sleep 1.1; # a token of the same second says the same, and so is the same
my $renewed = $platform->as_nobody->must('POST', '/auth/refresh', { refresh_token => $again->{refresh_token} });
@secret{'a renewed refresh token', 'a renewed access token'} = @$renewed{qw(refresh_token access_token)};
$shown{$_} = $#replies for 'a renewed refresh token', 'a renewed access token';

my $key = $admin->must('POST', "$in/api-keys", { name => 'k', scopes => ['read:flows'] }, key => 'once-and-again');
$secret{'an API key'} = (split(/_/, $key->{key}))[2];
$shown{'an API key'} = $#replies;
is($platform->as_key($key->{key})->get("$in/flows")->{status}, 200, 'it is used');
my $other = $admin->must('POST', "$in/api-keys/$key->{id}/regenerate");
$secret{'a regenerated API key'} = (split(/_/, $other->{key}))[2];
$shown{'a regenerated API key'} = $#replies;

# Under four eyes: the call waits, with its secrets.
$platform->must('PATCH', "$in/settings", { require_approvals => \1 });
my $held = $admin->patch("$in/whatsapp-accounts/$account->{id}", { app_secret => plant('a secret that waits for a yes') });
is($held->{status}, 202, 'a change of credentials waits for a second person') or diag($held->{body});
my $held_key = $admin->post("$in/whatsapp-accounts/$account->{id}/import-key", { private_key => $rsa->export_key_pem('private', $passphrase), passphrase => $passphrase });
is($held_key->{status}, 202, 'a key, too') or diag($held_key->{body});

# ---- mistakes ---------------------------------------------------------------------------------------------------------

my $bad = plant('a secret in a wrong request');
my $accounts = "$in/whatsapp-accounts";
my @mistakes = (
    ['POST', $accounts, { name => 'x', phone_number_id => '71000000002', app_secret => [$bad] }],
    ['POST', $accounts, { name => 'x', phone_number_id => $bad, app_secret => $bad }],
    ['POST', $accounts, { name => "x\x01$bad", phone_number_id => '71000000002' }],
    ['POST', $accounts, { name => 'x', phone_number_id => '71000000002', app_secret => $bad x 400 }],
    ['POST', $accounts, { $bad => 'as a name', name => 'x', phone_number_id => '71000000002' }],
    ['POST', $accounts, qq({"name": "x", "app_secret": "$bad)],
    ['POST', $accounts, qq({"app_secret": $bad})],
    ['POST', $accounts, qq([{"app_secret": "$bad"}])],
    ['POST', "$accounts/$account->{id}/import-key", { private_key => "-----BEGIN PRIVATE KEY-----\n$bad\n-----END PRIVATE KEY-----" }],
    ['POST', "$accounts/$account->{id}/import-key", { private_key => $rsa->export_key_pem('private', $passphrase), passphrase => $bad }],
    ['POST', "$in/integrations", { kind => 'openai', name => 'y', config => { api_key => { deep => $bad } } }],
    ['POST', "$in/integrations", { kind => 'openai', name => 'y', config => { no_such => $bad } }],
    ['POST', "$in/users", { email => 'not one', name => 'x', role => 'operador', password => $bad }],
    ['POST', '/auth/login', { email => 'ana@acme.example', password => $bad }],
    ['POST', '/auth/login', { email => 'ana@acme.example', password => $bad, tenant => 7 }],
    ['POST', '/auth/refresh', { refresh_token => $bad }],
    ['GET', $in, undef, headers => { authorization => "Bearer $bad" }],
    ['GET', $in, undef, headers => { authorization => "Basic $bad" }],
    ['GET', $in, undef, headers => { 'x-api-key' => "wfk_0123456789abcdef_$bad" }],
    ['PATCH', "$accounts/$account->{id}", { app_secret => $bad }, if_match => '"0000"'],
    ['PUT', "$accounts/$account->{id}", { app_secret => $bad }],
    ['POST', $accounts, { name => 'x', phone_number_id => '71000000001', app_secret => $bad }, type => 'text/plain'],
);
for my $mistake (@mistakes) {
    my ($method, $path, $body, %o) = @$mistake;
    my $r = $admin->call($method, $path, $body, %o);
    cmp_ok($r->{status}, '>=', 400, "a mistake is refused: $method $path $r->{status}") unless $r->{status} == 202;
    cmp_ok($r->{status}, '<', 500, 'with blame on the caller');
}
$stack->ctl_raw(['account', 'show', 'main', '--company', 'acme', '--json']);

# ---- reading ----------------------------------------------------------------------------------------------------------

my $reads = 0;
for my $route (grep { $_->{method} eq 'GET' && $_->{name} !~ /^docs/ } @{ $stack->ctl('routes')->{data} }) {
    my $path = $route->{path} =~ s{^/api/v2}{}r =~ s/\{companyId\}/$id/r;
    my @paths = $path;
    if ($path =~ m{^(.*?)/\{(?:id|name|\w+Id)\}(.*)}) {
        my ($list, $rest) = ($1, $2);
        $rest =~ s/\{\w+\}/1/g;
        my $r = $platform->get($list);
        @paths = $r->{status} == 200 && ref $r->{json}{data} eq 'ARRAY' ? map { "$list/" . ($_->{id} // $_->{name} // 'x') . $rest } @{ $r->{json}{data} } : ();
    }
    for my $one (@paths) {
        $platform->get($one);
        $admin->get($one);
        $admin->get($one, headers => { accept => 'text/csv' }) if $one =~ /export/;
        $reads++;
    }
}
cmp_ok($reads, '>=', 50, "$reads readings");
my $audit = $admin->get("$in/audit-logs/export", query => { format => 'ndjson' });
cmp_ok(scalar(split(/\n/, $audit->{body})), '>=', 20, 'the audit log tells of it');

# ---- the search -------------------------------------------------------------------------------------------------------

cmp_ok(scalar keys %secret, '>=', 25, scalar(keys %secret) . ' secrets were planted');

# In clear, in hex or in base64 (at any of its three places).
sub forms {
    my ($value) = @_;
    return ($value, unpack('H*', $value), map { my $b = encode_base64(('x' x $_) . $value, ''); substr($b, 4, length($b) - 8) } 0 .. 2);
}

sub found_in {
    my ($text, @but) = @_;
    my %but = map { $_ => 1 } @but;
    return grep { my $name = $_; !$but{$name} && grep { index($text, $_) >= 0 } forms($secret{$name}) } sort keys %secret;
}

my @told;
for my $i (0 .. $#replies) {
    my ($what, $text) = @{ $replies[$i] };
    push @told, map { "$what: $_" } found_in($text, grep { $shown{$_} == $i } keys %shown);
}
is_deeply(\@told, [], 'none is in any of ' . @replies . ' replies, but where it was just made');

my $dir = $stack->{dir};
$stack->httpd->stop; # what is left to be logged or flushed comes now
my %log = map { $_ => read_file($_) } grep { -f && -s } $stack->httpd->{error_log}, glob("$dir/httpd/*.log"), glob("$dir/pg/*.log $dir/redis/*.log");
cmp_ok(length join('', values %log), '>', 10_000, 'the logs are of ' . join(', ', map { m{([^/]+/[^/]+)$} } sort keys %log));
is_deeply([map { my $file = $_; map { "$file: $_" } found_in($log{$file}) } sort keys %log], [], 'none is in a log, at the highest level');
is_deeply([found_in($audit->{body})], [], 'none is in an audit row');

my $redis = $stack->redis->client;
my (@cached, $seen);
for my $name ($redis->keys('*')) {
    my $type = $redis->type($name);
    my @values = $type eq 'string' ? $redis->get($name) : $type eq 'hash' ? $redis->hgetall($name) : $type eq 'list' ? $redis->lrange($name, 0, -1)
        : $type eq 'set' ? $redis->smembers($name) : $type eq 'zset' ? $redis->zrange($name, 0, -1) : ();
    $seen++;
    push @cached, map { "$name: $_" } found_in(join("\n", $name, map { $_ // '' } @values));
}
cmp_ok($seen, '>=', 3, "Redis has $seen keys");
is_deeply(\@cached, [], 'none is in Redis');

my $dump = run(command => [find_tool('pg_dump'), '--data-only', $stack->pg->url('postgres', $stack->secret('pg-superuser'), 'wflows')], timeout => 120);
is($dump->{rc}, 0, 'every table is written out') or diag($dump->{err});
like($dump->{out}, qr/wf1:/, 'with what is sealed');
is_deeply([found_in($dump->{out})], [], 'none is in a table');

# The search would see one.
my ($any) = sort keys %secret;
is_deeply([found_in("x $secret{$any} y")], [$any], 'the search finds what is there');
is_deeply([found_in(encode_base64("abcd$secret{$any}efgh", ''))], [$any], 'in base64, too');

$graph->stop;
errlog_ok($stack);
done_testing();
