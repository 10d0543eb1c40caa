#!/usr/bin/perl
# `httpd -t` and the directives of mod_wflows_tenant: what is accepted, and the exact words for what is not.

use strict;
use warnings;
use lib 't/lib';

use MIME::Base64 qw(encode_base64);
use Test::More;
use Wflows::Config qw(bad config_dir config_httpd config_modules good);
use Wflows::Process qw(read_file write_file);
use Wflows::Test qw(need);

need('httpd');

config_modules(qw(wflows_tenant wflows_flows wflows_admin));
my ($dir, $httpd) = (config_dir(), config_httpd());
my $key = write_file("$dir/key", encode_base64('k' x 32, ''), 0400);

my $db = 'WflowsDB "host=/run/postgresql dbname=wflows user=wflows_app"';
my $redis = 'WflowsRedis redis://127.0.0.1:6379/0';
my $master = "WflowsKey k1 file:$key";
my $whole = "$db\n$redis\n$master\nWflowsTenant On";

# ---- combinations -----------------------------------------------------------------------------------------

good('loaded and not used, wflows asks for nothing', '');
good('a database, Redis and a key are enough', $whole);
good('tenants may be turned on in a virtual host or a location only',
    "$db\n$redis\n$master\n<VirtualHost *>\nServerName a.example\n<Location /company/>\nWflowsTenant On\n</Location>\n</VirtualHost>");
good('a location may turn tenants off again', "$whole\n<Location /company/legacy/>\nWflowsTenant Off\n</Location>");

# The last lines of the file, so that the line number in the message is known.
sub last_line {
    my ($conf) = @_;
    $httpd->{main} = $conf;
    $httpd->write_conf;
    open(my $fh, '<', $httpd->{conf}) or die $!;
    my @lines = <$fh>;
    pop @lines while @lines && $lines[-1] !~ /\S/;
    $httpd->{main} = '';
    return scalar @lines;
}

sub at { return "$dir/httpd/configtest.conf:" . last_line($_[0]) }

my $conf = "$redis\n$master\nWflowsTenant On";
bad('without a database it says so, and where tenants are turned on', $conf,
    'WF1000: WflowsTenant On (' . at($conf) . ') needs a database: add e.g. WflowsDB file:/etc/wflows/db');
$conf = "$db\n$master\nWflowsTenant On";
bad('without Redis it says so', $conf,
    'WF1001: WflowsTenant On (' . at($conf) . ') needs Redis: add e.g. WflowsRedis redis://127.0.0.1:6379/0');
$conf = "$db\n$redis\nWflowsTenant On";
bad('without a key it says how to make one', $conf, 'WF1002: WflowsTenant On (' . at($conf)
    . ') needs a master key: make one with `wflowsctl master-key new` and add e.g. WflowsKey k1 file:/etc/wflows/key-k1');
bad('more connections kept than open is a contradiction', "$whole\nWflowsDBPoolKeep 9\nWflowsDBPoolMax 8",
    'WF1003: WflowsDBPoolKeep 9 is more than WflowsDBPoolMax 8');
bad('also for Redis', "$whole\nWflowsRedisPoolMax 4", 'WF1004: WflowsRedisPoolKeep 8 is more than WflowsRedisPoolMax 4');

# ---- values -------------------------------------------------------------------------------------------------

my %number = (WflowsDBPoolMax => [2, 512, 8], WflowsDBPoolKeep => [0, 512, 2], WflowsRedisPoolMax => [1, 1024, 64],
    WflowsRedisPoolKeep => [0, 1024, 8], WflowsTenantMaxCompanies => [1, 10000000, 1000],
    WflowsTenantMaxAccounts => [1, 10000, 50], WflowsTenantRsaSlots => [16, 1048576, 16384]);
for my $name (sort keys %number) {
    my ($min, $max, $example) = @{ $number{$name} };
    bad("$name has an upper bound", "$name " . ($max + 1),
        "$name: '" . ($max + 1) . "' is not allowed, use $min to $max (e.g. $name $example)");
    bad("$name has a lower bound", "$name " . ($min - 1),
        "$name: '" . ($min - 1) . "' is not allowed, use $min to $max (e.g. $name $example)");
    bad("$name is a number", "$name 10x", "$name: '10x' is not allowed, use $min to $max (e.g. $name $example)");
}

my %time = (WflowsDBAcquireTimeout => ['1ms', '1min', '250ms'], WflowsDBConnectTimeout => ['10ms', '1min', '2s'],
    WflowsDBStatementTimeout => ['10ms', '1min', '2s'], WflowsDBRetryInterval => ['100ms', '1h', '15s'],
    WflowsDBLifetime => ['1s', '24h', '30min'], WflowsRedisTimeout => ['1ms', '10s', '200ms'],
    WflowsRedisConnectTimeout => ['1ms', '10s', '200ms'], WflowsRedisAcquireTimeout => ['1ms', '10s', '100ms'],
    WflowsRedisRetryInterval => ['100ms', '1h', '2s']);
for my $name (sort keys %time) {
    my ($min, $max, $example) = @{ $time{$name} };
    for my $value ('0', '25h', '5mice', '-1s', 's') {
        bad("$name does not take $value", "$name $value",
            "$name: '$value' is not allowed, use $min to $max (e.g. $name $example)");
    }
    good("$name takes its example", "$name $example");
    good("$name takes a bare number of seconds", "$name 1");
}

bad('WflowsTenantFrom names what it knows', 'WflowsTenantFrom path hots',
    "WflowsTenantFrom: 'hots' is not known, use 'path', 'header' or 'subdomain' (e.g. WflowsTenantFrom path header)");
bad('WflowsTenantFrom keeps the path', 'WflowsTenantFrom header',
    "WflowsTenantFrom: 'path' cannot be left out, it is always looked at first (e.g. WflowsTenantFrom path header)");
good('WflowsTenantFrom takes all three', 'WflowsTenantFrom path header subdomain');
bad('WflowsTenantLimitFailure is one of two words', 'WflowsTenantLimitFailure maybe',
    "WflowsTenantLimitFailure: 'maybe' is not known, use 'open' or 'closed' (e.g. WflowsTenantLimitFailure open)");
bad('a plan must be known', 'WflowsTenantDefaultPlan gold', "WflowsTenantDefaultPlan: 'gold': this plan is not known, "
    . "use 'starter', 'pro' or 'enterprise' (e.g. WflowsTenantDefaultPlan starter)");
bad('the platform limit needs a window it can keep', 'WflowsTenantPlatformLimit 100 2h',
    "WflowsTenantPlatformLimit: '2h' is not allowed, use 1s to 1h (e.g. WflowsTenantPlatformLimit 60000 60s)");
good('the platform limit takes requests and a window', 'WflowsTenantPlatformLimit 60000 60s');
bad('a Redis prefix with a brace would break the hash tags', 'WflowsRedisPrefix "wf{x}"',
    "WflowsRedisPrefix: 'wf{x}': use 1 to 32 letters, digits or :._- (e.g. WflowsRedisPrefix wf:)");

bad('WflowsAuthTokenTTL has an upper bound', 'WflowsAuthTokenTTL 25h',
    "WflowsAuthTokenTTL: '25h' is not allowed, use 10s to 24h (e.g. WflowsAuthTokenTTL 15min)");
bad('WflowsAuthRefreshTTL has a lower bound', 'WflowsAuthRefreshTTL 59s',
    "WflowsAuthRefreshTTL: '59s' is not allowed, use 1min to 8760h (e.g. WflowsAuthRefreshTTL 720h)");
good('both take their examples', "WflowsAuthTokenTTL 15min\nWflowsAuthRefreshTTL 720h");
bad('WflowsAuthTrustRemoteUser is On or Off', 'WflowsAuthTrustRemoteUser Maybe',
    "WflowsAuthTrustRemoteUser: 'Maybe' is not known, use 'On' or 'Off' (e.g. WflowsAuthTrustRemoteUser On OIDC_CLAIM_roles OIDC_CLAIM_tenant_id)");
bad('and takes names of environment variables', 'WflowsAuthTrustRemoteUser On "a b"',
    "WflowsAuthTrustRemoteUser: 'a b': no name of an environment variable (e.g. WflowsAuthTrustRemoteUser On OIDC_CLAIM_roles OIDC_CLAIM_tenant_id)");
good('which may be left out', 'WflowsAuthTrustRemoteUser On');
my $jwt = write_file("$dir/jwt", 'j' x 32, 0400);
my $short = write_file("$dir/short", 'j' x 31, 0400);
good('keys for tokens come from sources', "WflowsAuthJwtKey a file:$jwt\nWflowsAuthJwtKey b file:$jwt");
bad('each has its own kid', "WflowsAuthJwtKey a file:$jwt\nWflowsAuthJwtKey a file:$jwt",
    "WflowsAuthJwtKey: 'a': this id is already used, each key needs its own");
bad('which is a short word', "WflowsAuthJwtKey a/b file:$jwt",
    "WflowsAuthJwtKey: 'a/b': a key's id is 1 to 32 letters, digits or _.- (e.g. WflowsAuthJwtKey k2026 file:/etc/wflows/key-k2026)");
$conf = "WflowsAuthJwtKey a file:$short";
bad('and 32 bytes at least; the line is named', $conf, "WF1010: WflowsAuthJwtKey a (" . at($conf)
    . '): WF0600: the secret has 31 bytes, HS256 needs at least 32 (e.g. openssl rand -base64 32)');
my $jwks = write_file("$dir/jwks", '{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","kid":"e"}]}', 0644);
good('the keys of an identity provider come from a file', "WflowsAuthJwks file:$jwks");
good('or a URL', 'WflowsAuthJwks https://id.example.invalid/jwks.json');
bad('and from nowhere else', 'WflowsAuthJwks /etc/jwks',
    "WflowsAuthJwks: '/etc/jwks': use file:/path or an http(s) URL (e.g. WflowsAuthJwks https://id.example.com/jwks.json)");
$conf = "WflowsAuthJwks file:$dir/none";
bad('a file that is not there is found at once', $conf, 'WF1010: WflowsAuthJwks (' . at($conf) . "): WF0762: cannot read $dir/none: No such file or directory");
$conf = "WflowsAuthJwks file:$jwt";
like($httpd->configtest($conf)->{err}, qr/^WF1010: WflowsAuthJwks \(\S+:\d+\): /m, 'and one that is none');
bad('Require wflows-role names the roles', "<Location /x>\nRequire wflows-role boss\n</Location>",
    "Require wflows-role: 'boss' is not known, use 'leitura', 'operador', 'gestor', 'admin' or 'platform_admin' (e.g. Require wflows-role gestor)");
bad('Require wflows-role needs one', "<Location /x>\nRequire wflows-role\n</Location>",
    'Require wflows-role needs a role (e.g. Require wflows-role gestor)');
bad('Require wflows-scope knows the scopes', "<Location /x>\nRequire wflows-scope read:minds\n</Location>",
    "Require wflows-scope: 'read:minds' is not known, use read:<area> or write:<area> (e.g. Require wflows-scope read:flows)");
bad('Require wflows-tenant takes slugs', "<Location /x>\nRequire wflows-tenant Acme\n</Location>",
    "Require wflows-tenant: 'Acme' is no slug of a company (e.g. Require wflows-tenant acme)");
good('all of them in one place', "<Location /x>\nAuthType Wflows\nAuthName x\nRequire wflows-role gestor admin\nRequire wflows-scope read:flows write:flows\nRequire wflows-tenant\nRequire wflows-tenant acme other\n</Location>");

# ---- main server only -------------------------------------------------------------------------------------------

for my $line ($db, $redis, $master, 'WflowsDBPoolMax 8', 'WflowsRedisTimeout 1s', 'WflowsRedisPrefix x:',
    'WflowsAuthJwtKey a env:A', 'WflowsAuthTokenTTL 5min', 'WflowsAuthTrustRemoteUser On', 'WflowsTenantPlatformLimit 1 1s', 'WflowsTenantLimitFailure open', 'WflowsTenantDefaultPlan pro') {
    my ($name) = $line =~ /^(\w+)/;
    bad("$name is refused in a virtual host", "<VirtualHost *>\nServerName a.example\n$line\n</VirtualHost>",
        "$name: not in <VirtualHost>, it is for the whole process; move it to the main server configuration");
}

# ---- sources and secrets -------------------------------------------------------------------------------------------

bad('a password in a connection string is refused', 'WflowsDB "host=db user=wflows_app password=geheim"',
    'WflowsDB: a password never stands in the configuration, use a source (e.g. WflowsDB file:/etc/wflows/db) or a passfile');
bad('and in a connection URI', 'WflowsDB postgresql://wflows_app:geheim@db/wflows',
    'WflowsDB: a password never stands in the configuration, use a source (e.g. WflowsDB file:/etc/wflows/db) or a passfile');
bad('and in a Redis URL', 'WflowsRedis redis://:geheim@127.0.0.1/0',
    'WflowsRedis: a password never stands in the configuration, use a source (e.g. WflowsRedis file:/etc/wflows/redis)');
{
    my $r = $httpd->configtest("WflowsRedis redis://:geheim\@127.0.0.1:99999999/0");
    unlike($r->{err}, qr/geheim/, 'a password is not repeated in a message about the rest of its URL');
    $r = $httpd->configtest('WflowsKey k1 c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0cw==');
    like($r->{err}, qr/^WflowsKey k1: use file:\/path, env:NAME or "exec:\/path args"; a secret never stands in the configuration$/m,
        'a key in the configuration is refused');
    unlike($r->{err}, qr/c2VjcmV0/, 'and not repeated');
}
bad('a key file must be named absolutely', 'WflowsKey k1 file:key',
    'WflowsKey k1: the path must be absolute (e.g. file:/etc/wflows/secret)');
bad('a key id has its letters', 'WflowsKey "k 1" file:/x',
    "WflowsKey: 'k 1': a key's id is 1 to 32 letters, digits or _.- (e.g. WflowsKey k2026 file:/etc/wflows/key-k2026)");
bad('a key id is used once', "$master\n$master", "WflowsKey: 'k1': this id is already used, each key needs its own");

# Messages of the check of the whole configuration: httpd gives them no line, so they have their own.
sub bad_secret {
    my ($name, $directive, $conf, $why) = @_;
    bad($name, $conf, "WF1010: $directive (" . at($conf) . "): $why");
}

bad_secret('a missing key file is named', 'WflowsKey k1', "WflowsKey k1 file:$dir/nokey",
    "WF0353: cannot read $dir/nokey: No such file or directory");
my $open_key = write_file("$dir/openkey", encode_base64('k' x 32, ''), 0644);
bad_secret('a key file that others can read is refused', 'WflowsKey k1', "WflowsKey k1 file:$open_key",
    "WF0351: $open_key can be read or written by others: chmod 0400 $open_key");
bad_secret('a folder is no key file', 'WflowsKey k1', "WflowsKey k1 file:$dir", "WF0350: $dir is not a regular file");
my $empty = write_file("$dir/empty", "\n", 0400);
bad_secret('an empty key file is refused', 'WflowsKey k1', "WflowsKey k1 file:$empty", "WF0362: file:$empty is empty or no text");
bad_secret('an environment variable must be set', 'WflowsKey k1', 'WflowsKey k1 env:WF_TEST_NOT_SET',
    'WF0355: the environment variable WF_TEST_NOT_SET is not set');
my $bad_db = write_file("$dir/baddb", "host=db nonsense=1\n", 0400);
{
    my $r = $httpd->configtest("WflowsDB file:$bad_db");
    ok($r->{rc} == 1 && $r->{err} =~ /^WF1010: WflowsDB \(\Q$dir\E.*\): .*nonsense/m, 'a connection string in a file is checked too')
        or diag($r->{err});
    my $short = write_file("$dir/short", encode_base64('k' x 31, ''), 0400);
    $r = $httpd->configtest("WflowsKey k1 file:$short");
    ok($r->{rc} == 1 && $r->{err} =~ /^WF1010: WflowsKey k1 \(\Q$dir\E.*\): WF\d{4}: /m, 'a key of 31 bytes is refused') or diag($r->{err});
}
{
    local $ENV{WF_TEST_KEY} = encode_base64('e' x 32, '');
    good('a key may come from the environment', "$db\n$redis\nWflowsKey k1 env:WF_TEST_KEY\nWflowsTenant On");
}
{
    my $ran = "$dir/ran";
    my $program = write_file("$dir/program", "#!/bin/sh\ntouch $ran\n", 0755);
    good('a program may give a key', "$db\n$redis\nWflowsKey k1 exec:$program\nWflowsTenant On");
    ok(!-e $ran, 'and is not run by a mere check of the configuration');
}
good('several keys are allowed', "$db\n$redis\n$master\nWflowsKey k0 file:$key\nWflowsTenant On");

# ---- conf/wflows.conf ---------------------------------------------------------------------------------------------------

{
    my $conf = read_file("$ENV{WF_SRCDIR}/conf/wflows.conf");
    good('conf/wflows.conf as it is installed is accepted', $conf);
    my $said = $conf =~ s/^#(Wflows)/$1/mg;
    my $secrets = write_file("$dir/db", "host=/run/postgresql dbname=wflows user=wflows_app\n", 0400);
    $conf =~ s{file:/etc/wflows/db}{file:$secrets};
    $conf =~ s{file:/etc/wflows/key-k1}{file:$key};
    $conf =~ s{file:/etc/wflows/jwt-j1}{file:$jwt};
    my $stripe = write_file("$dir/stripe", "whsec_test\n", 0400);
    $conf =~ s{file:/etc/wflows/stripe-secret}{file:$stripe};
    mkdir("$dir/media", 0700) or die "$dir/media: $!";
    $conf =~ s{/var/lib/wflows/media}{$dir/media};
    cmp_ok($said, '>', 25, "it shows the directives ($said)");
    good('every default and example in it is a value that is accepted', $conf);
}

done_testing();
