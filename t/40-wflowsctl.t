#!/usr/bin/perl
# wflowsctl over a real PostgreSQL and Redis: every command's good path and its main errors, exit codes,
# --json, audit rows, and that no secret comes out or may stand on the command line.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Crypt::PK::RSA ();
use Test::More;
use Wflows::Ctl qw(ctl_fails ctl_ok json_of);
use Wflows::Process qw(find_tool read_file run write_file);
use Wflows::Test qw(need start_stack);

need('pg', 'redis');
my $stack = start_stack(only_stores => 1);
my $dir = $stack->{dir};
my $dbh = $stack->dbh;
$dbh->do('SET ROLE wflows_platform');
my @secrets = map { $stack->secret($_) } qw(pg-wflows_owner pg-wflows_app redis master-k1);
my @said; # everything that came out, to look for secrets in

{
    no warnings 'redefine';
    my $run = \&Wflows::Stack::ctl_raw;
    *Wflows::Stack::ctl_raw = sub {
        my $r = $run->(@_);
        push @said, "@{ $_[1] }\n$r->{out}$r->{err}";
        return $r;
    };
}

sub secret {
    my ($name, $value) = @_;
    push @secrets, $value;
    return 'file:' . $stack->secret_file($name, "$value\n");
}

sub audits {
    my (%where) = @_;
    my $rows = $dbh->selectall_arrayref(
        'SELECT action, actor, old_values::text, new_values::text FROM wflows.audit_logs WHERE action = ? ORDER BY created_at',
        { Slice => {} }, $where{action});
    return @$rows;
}

# ---- help and usage ---------------------------------------------------------------------------------------

my $help = ctl_ok($stack, ['help'], 'help');
for my $command ('migrate', 'doctor', 'company add', 'account set-default', 'key import', 'flow token', 'master-key rewrap', 'outbox replay', 'send') {
    like($help->{out}, qr/^  \Q$command\E +\S/m, "help lists $command");
}
for my $row (@{ ctl_ok($stack, ['help', '--json'], 'help --json')->{commands} }) {
    my $one = ctl_ok($stack, ['help', split(/ /, $row->{name})], "help $row->{name}");
    like($one->{out}, qr/^wflowsctl \Q$row->{name}\E/, "help $row->{name} shows how it is called");
    my $same = ctl_ok($stack, [split(/ /, $row->{name}), '--help'], "$row->{name} --help");
    is($same->{out}, $one->{out}, "$row->{name} --help is the same") unless $row->{name} eq 'help';
}
is_deeply([map { $_->{name} } @{ ctl_ok($stack, ['help', 'key', '--json'], 'help key')->{commands} }],
    ['key new', 'key import', 'key show', 'key register', 'key validate', 'key rotate'], 'help NOUN lists its commands');

for my $case (
    [[], qr/command is missing/], [['frob'], qr/no command 'frob'/], [['company'], qr/after company comes one of: add, list/],
    [['company', 'frob'], qr/no 'wflowsctl company frob'/], [['--frob'], qr/unknown option --frob/],
    [['company', 'add', 'x', '--frob'], qr/unknown option --frob/], [['company', 'add', 'x'], qr/--name NAME is missing/],
    [['company', 'add', '--name', 'X'], qr/argument is missing/], [['company', 'add', 'x', 'y', '--name', 'X'], qr/too many: 'y'/],
    [['company', 'add', 'x', '--name'], qr/--name needs a value/], [['company', 'add', 'x', '--name', 'X', '--name', 'Y'], qr/given twice/],
    [['company', 'list', '--json=1'], qr/takes no value/], [['company', 'remove', 'x'], qr/--yes is missing/],
    [['company', 'add', 'x', '--name', 'X', '--max-flows', '-1'], qr/no whole number/],
    [['key', 'new', '--company', 'x', '--overlap', '5'], qr/is no duration/],
    [['account', 'add', '--company', 'x', '--name', 'n', '--phone-number-id', '12345', '--rate-limit', '5'], qr{e\.g\. 600/60s}],
    [['flow', 'add', 'a/b', '--company', 'x', '--flow-json', '-'], qr/is no flow name/],
) {
    ctl_fails($stack, $case->[0], 2, $case->[1], "wrong usage is 2: @{ $case->[0] }");
}
ctl_fails($stack, ['company', 'add', '--json'], 2, qr/--name NAME is missing/, 'wrong usage, with --json');
is(ctl_ok($stack, ['version', '--json'], 'version')->{schema_version_needed},
    scalar(() = glob("$stack->{src}/schema/[0-9]*.sql")), 'version knows the newest migration');

# ---- a secret never stands on the command line ----------------------------------------------------------------

for my $option (qw(app-secret verify-token access-token callback-secret)) {
    my $r = ctl_fails($stack, ['account', 'set', 'main', '--company', 'acme', "--$option", 'hunter2-is-secret'], 2,
        qr/--$option takes a SOURCE/, "--$option refuses the secret itself");
    unlike("$r->{out}$r->{err}", qr/hunter2/, "--$option does not repeat it");
    like($r->{err}, qr{file:/path, env:NAME}, "--$option says how");
}
for my $option (['--db', 'host=localhost password=hunter2'], ['--db-owner', 'postgresql://o:hunter2@localhost/x'],
    ['--redis', 'redis://:hunter2@localhost']) {
    my $r = ctl_fails($stack, ['company', 'list', @$option], 2, qr/\Q$option->[0]\E takes a SOURCE/, "$option->[0] refuses a password");
    unlike("$r->{out}$r->{err}", qr/hunter2/, "$option->[0] does not repeat it");
}
ctl_fails($stack, ['company', 'list', '--master-key', 'k1=' . 'A' x 43 . '='], 2, qr/ID=SOURCE/, '--master-key refuses the key itself');

# ---- configuration ----------------------------------------------------------------------------------------------

sub with_conf { my ($text, $mode) = @_; return env => { WFLOWSCTL_CONFIG => write_file("$dir/try.conf", $text, $mode // 0600) } }

ctl_fails($stack, ['company', 'list', '--config', '/nonexistent'], 3, qr{/nonexistent cannot be opened}, 'no such configuration is 3');
ctl_fails($stack, ['company', 'list'], 3, qr/there is no WflowsDB/, 'no database is 3', with_conf("# nothing\n"));
ctl_fails($stack, ['migrate'], 3, qr/there is no WflowsDBOwner/, 'no owner is 3', with_conf("WflowsDB file:$dir/secrets/db\n"));
ctl_fails($stack, ['company', 'add', 'x', '--name', 'X'], 3, qr/there is no WflowsKey/, 'no master key is 3',
    with_conf("WflowsDB file:$dir/secrets/db\n"));
ctl_fails($stack, ['company', 'list'], 3, qr/try\.conf:2: WflowsKey takes an id and a source/, 'a bad directive is named with its line',
    with_conf("WflowsDB file:$dir/secrets/db\nWflowsKey k1\n"));
ctl_fails($stack, ['company', 'list'], 3, qr/known to httpd only/, 'httpd variables are not guessed', with_conf("WflowsDB \${DB}\n"));
ctl_fails($stack, ['company', 'list'], 3, qr/includes? itself|too deep/, 'an Include that includes itself ends',
    with_conf("Include $dir/try.conf\n"));
ctl_fails($stack, ['company', 'list'], 3, qr/password does not stand in the configuration/, 'a password in the configuration is refused',
    with_conf("WflowsDB \"host=/tmp password=hunter2\"\n"));
chmod 0644, write_file("$dir/open-db", $stack->pg->conninfo('wflows_app', $stack->secret('pg-wflows_app'), 'wflows'), 0644);
ctl_fails($stack, ['company', 'list'], 3, qr/open-db can be read/, 'a source that others can read is refused',
    with_conf("WflowsDB file:$dir/open-db\n"));
ctl_ok($stack, ['company', 'list', '--json'], 'an httpd configuration is read as it stands: sections, continuations, relative Include, other modules',
    with_conf("LoadModule foo x.so\n<IfModule foo>\n  Include \\\n    httpd/wflows.conf\n</IfModule>\nIncludeOptional conf.d/*.conf\n"));
ctl_ok($stack, ['company', 'list', '--json', '--db', "file:$dir/secrets/db", '--redis', "file:$dir/secrets/redis-url"],
    'options alone are enough', env => { WFLOWSCTL_CONFIG => write_file("$dir/try.conf", '', 0600) });

# ---- migrate ----------------------------------------------------------------------------------------------------

my $migrated = ctl_ok($stack, ['migrate', '--json'], 'migrate once more');
is($migrated->{applied}, 0, 'nothing is left to apply');
is($migrated->{schema_version}, $migrated->{schema_version_needed}, 'the schema is the one this build needs');
is(ctl_ok($stack, ['migrate', '--dry-run', '--json'], 'migrate --dry-run')->{pending}, 0, 'nothing is pending');
mkdir "$dir/schema";
write_file("$dir/schema/" . ($_ =~ m{([^/]+)$})[0], read_file($_)) for glob("$stack->{src}/schema/[0-9]*.sql");
my $next = sprintf('%04d', $migrated->{schema_version} + 1);
write_file("$dir/schema/${next}_try.sql", "create table wflows.try (id int);\n");
is(ctl_ok($stack, ['migrate', '--dry-run', '--json', '--schema', "$dir/schema"], 'a new file is seen')->{pending}, 1, '--dry-run counts it');
is($dbh->selectrow_array("SELECT to_regclass('wflows.try')"), undef, '--dry-run applies nothing');
ctl_fails($stack, ['migrate'], 7, qr/./, 'migrate as the runtime role is denied',
    env => { WFLOWSCTL_CONFIG => write_file("$dir/try.conf", "WflowsDBOwner file:$dir/secrets/db\n", 0600),
        WFLOWS_SCHEMA => "$dir/schema" });

# ---- company ----------------------------------------------------------------------------------------------------

like(ctl_ok($stack, ['company', 'list'], 'company list, none')->{err}, qr/no company yet/, 'an empty list says what to do');
my $acme = ctl_ok($stack, ['company', 'add', 'acme', '--name', 'Acme Ltd', '--plan', 'enterprise', '--email', 'ops@acme.example',
    '--settings', '{"session_ttl": 600, "require_bound_tokens": true}', '--max-monthly-messages', '5000', '--json'], 'company add');
is($acme->{slug}, 'acme', 'the record comes back');
is($acme->{settings}{session_ttl}, 600, 'with its settings');
is($acme->{max_monthly_messages}, 5000, 'and its limit');
is(scalar(audits(action => 'company.created')), 1, 'an audit row is written');
like((audits(action => 'company.created'))[0]{actor}, qr/^wflowsctl:.+/, 'it names who did it');
ctl_fails($stack, ['company', 'add', 'acme', '--name', 'Other', '--json'], 6, qr/acme|slug|taken/i, 'a slug that is taken is 6');
ctl_fails($stack, ['company', 'add', '-Bad-', '--name', 'Bad'], 2, qr/unknown option/, 'a slug that looks like an option');
ctl_fails($stack, ['company', 'add', 'Bad_Slug', '--name', 'Bad'], 5, qr/slug/, 'a bad slug is 5');
ctl_fails($stack, ['company', 'add', 'other', '--name', 'O', '--plan', 'gold'], 5, qr/plan/, 'an unknown plan is 5');
ctl_fails($stack, ['company', 'add', 'other', '--name', 'O', '--settings', '[1]'], 5, qr/not an object/, 'settings that are no object are 5');
ctl_fails($stack, ['company', 'add', 'other', '--name', 'O', '--settings', '{'], 5, qr/./, 'settings that are not JSON are 5');
ctl_fails($stack, ['company', 'add', 'beta', '--name', "Beta\e[31m"], 5, qr/name/, 'a control character in a name is 5');
ctl_ok($stack, ['company', 'add', 'beta', '--name', "Beta \x{c3}\x{a9}", '--plan', 'starter'], 'a second company');
$dbh->do("UPDATE wflows.companies SET name = E'Beta \\x1b[31m' WHERE slug = 'beta'");
ctl_fails($stack, ['company', 'add', 'gamma', '--name', 'G'], 8, qr/./, 'WflowsTenantMaxCompanies is kept',
    env => { WFLOWSCTL_CONFIG => write_file("$dir/try.conf", "Include $dir/ctl.conf\nWflowsTenantMaxCompanies 2\n", 0600) });

my $list = ctl_ok($stack, ['company', 'list'], 'company list');
like($list->{out}, qr/^SLUG +NAME +PLAN +STATUS +ID\n/, 'a table with titles');
like($list->{out}, qr/^acme +Acme Ltd +enterprise +active +\Q$acme->{id}\E$/m, 'and aligned rows');
unlike($list->{out}, qr/\e/, 'what is in the database cannot drive the terminal');
is(scalar @{ ctl_ok($stack, ['company', 'list', '--json'], 'company list --json')->{data} }, 2, 'both as JSON');
is(ctl_ok($stack, ['company', 'show', $acme->{id}, '--json'], 'company show by id')->{slug}, 'acme', 'it is that company');
like(ctl_ok($stack, ['company', 'show', 'acme'], 'company show')->{out}, qr/^name: +Acme Ltd$/m, 'name: value lines');
ctl_fails($stack, ['company', 'show', 'nobody', '--json'], 4, qr/no company 'nobody'/, 'an unknown company is 4');

my $set = ctl_ok($stack, ['company', 'set', 'acme', '--display-name', 'ACME', '--settings', '{"require_bound_tokens": null, "shared_flow_tokens": ["a"]}', '--json'], 'company set');
is($set->{display_name}, 'ACME', 'the name is changed');
is_deeply($set->{settings}, { session_ttl => 600, shared_flow_tokens => ['a'] }, 'settings are merged, null takes out');
$set = ctl_ok($stack, ['company', 'set', 'acme', '--email', '', '--max-monthly-messages', 'plan', '--max-flows', '7', '--json'], 'company set, taking away');
is($set->{email}, undef, 'the address is gone');
is($set->{max_monthly_messages}, undef, "the limit is the plan's again");
is($set->{max_flows}, 7, 'and another is set');
ctl_fails($stack, ['company', 'set', 'acme'], 2, qr/nothing to change/, 'company set without a change is 2');
is(ctl_ok($stack, ['company', 'suspend', 'acme', '--reason', 'unpaid', '--json'], 'company suspend')->{status}, 'suspended', 'suspended');
is(ctl_ok($stack, ['company', 'show', 'acme', '--json'], 'show')->{suspension_reason}, 'unpaid', 'with its reason');
$set = ctl_ok($stack, ['company', 'activate', 'acme', '--json'], 'company activate');
is($set->{status}, 'active', 'active');
is($set->{suspension_reason}, undef, 'the reason is gone');
cmp_ok(scalar(audits(action => 'company.updated')) + scalar(audits(action => 'company.suspended')) + scalar(audits(action => 'company.activated')),
    '>=', 3, 'each change has its audit row');

# ---- account ----------------------------------------------------------------------------------------------------

my @acme = ('--company', 'acme');
my $account = ctl_ok($stack, ['account', 'add', @acme, '--name', 'main', '--phone-number-id', '106540352242922', '--waba-id', '102290129340398',
    '--phone-number', '+5511999990000', '--app-secret', secret('acme-app', 'acme-app-secret-1'), '--verify-token', 'env:VERIFY',
    '--callback-url', 'https://acme.example/hook', '--callback-secret', '-', '--rate-limit', '600/30s', '--flow-timeout', '1500ms',
    '--default-flow', 'survey', '--json'], 'account add with secrets from a file, the environment and standard input',
    env => { VERIFY => 'acme-verify-token' }, stdin => "acme-callback-secret\n");
push @secrets, 'acme-verify-token', 'acme-callback-secret';
is($account->{is_default}, 1, 'the first account is the default');
is($account->{"has_$_"}, 1, "it has its $_") for qw(app_secret verify_token callback_secret);
is($account->{has_access_token}, 0, 'and no access token');
is($account->{rate_limit_max_requests}, 600, 'rate limit: requests');
is($account->{rate_limit_window_ms}, 30000, 'rate limit: window');
is($account->{flow_endpoint_timeout}, 1500, 'flow timeout');
my ($sealed) = $dbh->selectrow_array('SELECT app_secret FROM wflows.whatsapp_accounts WHERE id = ?', undef, $account->{id});
like($sealed, qr/^wf1:/, 'the app secret is sealed in the database');
is(scalar(audits(action => 'account.created')), 1, 'an audit row is written');

ctl_ok($stack, ['account', 'add', @acme, '--name', 'second', '--phone-number-id', '106540352242923', '--rate-limit', 'off'], 'a second account');
ctl_fails($stack, ['account', 'add', @acme, '--name', 'main', '--phone-number-id', '1000001'], 6, qr/./, 'a name that is taken is 6');
ctl_fails($stack, ['account', 'add', @acme, '--name', 'third', '--phone-number-id', '106540352242922'], 6, qr/./, 'a number that is taken is 6');
ctl_fails($stack, ['account', 'add', @acme, '--name', 'third', '--phone-number-id', 'abc'], 5, qr/phone_number_id/, 'a bad phone_number_id is 5');
ctl_fails($stack, ['account', 'add', '--company', 'nobody', '--name', 'x', '--phone-number-id', '1000001'], 4, qr/no company 'nobody'/, 'in an unknown company');
ctl_ok($stack, ['account', 'add', '--company', 'beta', '--name', 'only', '--phone-number-id', '106540352242924'], 'an account of the other company');
ctl_fails($stack, ['account', 'add', '--company', 'beta', '--name', 'more', '--phone-number-id', '106540352242925'], 8, qr/./, 'over the plan is 8');
ctl_fails($stack, ['account', 'set', 'main', @acme, '--app-secret', 'env:NOT_SET_ANYWHERE'], 5, qr/NOT_SET_ANYWHERE/, 'a source that is not there');
ctl_fails($stack, ['account', 'set', 'main', @acme, '--app-secret', '-'], 5, qr/gives nothing/, 'an empty standard input', stdin => "\n");
ctl_fails($stack, ['account', 'set', 'main', @acme, '--app-secret', '-', '--verify-token', '-'], 2, qr/only once/, 'standard input twice', stdin => "x\n");

like(ctl_ok($stack, ['account', 'list', @acme], 'account list')->{out}, qr/^main +106540352242922 +\+5511999990000 +yes +active +no +/m, 'the table');
for my $which ('main', '106540352242922', $account->{id}) {
    is(ctl_ok($stack, ['account', 'show', $which, @acme, '--json'], "account show $which")->{id}, $account->{id}, 'it is that account');
}
ctl_fails($stack, ['account', 'show', 'only', @acme], 4, qr/no account 'only' in company 'acme'/, "another company's account is 4");
my $changed = ctl_ok($stack, ['account', 'set', 'main', @acme, '--app-secret', secret('acme-app-2', 'acme-app-secret-2'), '--overlap', '1h',
    '--rate-limit', 'off', '--name', 'head', '--json'], 'account set');
is($changed->{name}, 'head', 'the name is changed');
is($changed->{rate_limit_max_requests}, 0, 'the limit is off');
isnt($changed->{previous_secret_until}, undef, 'the old app secret still counts');
my ($left) = $dbh->selectrow_array('SELECT extract(epoch FROM previous_secret_until - now()) FROM wflows.whatsapp_accounts WHERE id = ?', undef, $account->{id});
cmp_ok(abs($left - 3600), '<', 60, 'for the overlap that was said');
is(ctl_ok($stack, ['account', 'set-default', 'second', @acme, '--json'], 'account set-default')->{is_default}, 1, 'it is the default');
is(ctl_ok($stack, ['account', 'show', 'head', @acme, '--json'], 'the other one')->{is_default}, 0, 'is not any more');
ctl_ok($stack, ['account', 'set-default', 'head', @acme], 'and back');
ctl_ok($stack, ['account', 'remove', 'second', @acme, '--yes'], 'account remove');
ctl_fails($stack, ['account', 'show', 'second', @acme], 4, qr/no account 'second'/, 'it is gone');

# ---- key --------------------------------------------------------------------------------------------------------

ctl_fails($stack, ['key', 'show', @acme], 4, qr/has no key yet/, 'no key yet is 4');
my $key = ctl_ok($stack, ['key', 'new', @acme, '--json'], 'key new');
like($key->{public_key}, qr/\A-----BEGIN PUBLIC KEY-----\n.*-----END PUBLIC KEY-----\n\z/s, 'the public PEM');
is(Crypt::PK::RSA->new(\$key->{public_key})->size, 256, 'of an RSA-2048 key');
is(ctl_ok($stack, ['key', 'show', @acme], 'key show')->{out}, $key->{public_key}, 'key show prints it');
ctl_ok($stack, ['key', 'show', @acme, '--account', 'head', '--out', "$dir/pub.pem"], 'key show --out');
is(read_file("$dir/pub.pem"), $key->{public_key}, 'into the file');
is(scalar(audits(action => 'account.key_rotated')), 1, 'an audit row is written');

my $pair = Crypt::PK::RSA->new;
$pair->generate_key(256, 65537);
my $public = $pair->export_key_pem('public_x509');
my $plain = write_file("$dir/plain.pem", $pair->export_key_pem('private'), 0600);
my $phrase = 'the passphrase of the key';
my $phrase_source = secret('phrase', $phrase);
my %pem = (
    'PKCS#1' => ['rsa', '-traditional'], 'PKCS#8' => ['pkey'],
    'PKCS#1 encrypted (DES-EDE3-CBC)' => ['rsa', '-traditional', '-des3', '-passout', "pass:$phrase"],
    'PKCS#8 encrypted' => ['pkey', '-aes256', '-passout', "pass:$phrase"],
);
for my $form (sort keys %pem) {
    my $file = "$dir/form.pem";
    run(command => [find_tool('openssl'), @{ $pem{$form} }, '-in', $plain, '-out', $file], check => 1);
    push @secrets, (split /\n/, read_file($file))[5];
    my @pass = $form =~ /encrypted/ ? ('--passphrase', $phrase_source) : ();
    my $got = ctl_ok($stack, ['key', 'import', $file, @acme, @pass, '--json'], "key import: $form");
    $got->{public_key} =~ s/\s//g;
    is($got->{public_key}, $public =~ s/\s//gr, "$form: it is that key");
    next unless @pass;
    ctl_fails($stack, ['key', 'import', $file, @acme], 7, qr/passphrase/, "$form: without its passphrase it is 7");
    ctl_fails($stack, ['key', 'import', $file, @acme, '--passphrase', 'env:WRONG'], 7, qr/passphrase/, "$form: with a wrong one too", env => { WRONG => 'no' });
}
ctl_ok($stack, ['key', 'import', '-', @acme, '--overlap', '2h'], 'key import from standard input', stdin => read_file($plain));
ctl_fails($stack, ['key', 'import', "$dir/pub.pem", @acme], 5, qr/./, 'a public key is no private key: 5');
ctl_fails($stack, ['key', 'import', "$dir/none.pem", @acme], 5, qr/cannot be opened/, 'no such file');
run(command => [find_tool('openssl'), 'genrsa', '-out', "$dir/small.pem", '1024'], check => 1);
ctl_fails($stack, ['key', 'import', "$dir/small.pem", @acme], 5, qr/2048/, 'a key of 1024 bits is refused');

# ---- flow -------------------------------------------------------------------------------------------------------

my $flow_file = "$stack->{src}/demo/appointment.json";
my $logic_file = "$stack->{src}/demo/appointment.logic.json";
my $flow = ctl_ok($stack, ['flow', 'add', 'appointment', @acme, '--flow-json', $flow_file, '--logic', $logic_file, '--json'], 'flow add');
is($flow->{version}, 1, 'it is version 1');
is($flow->{active_version}, 1, 'and active');
is(scalar(audits(action => 'flow.created')), 1, 'an audit row is written');
my $second = ctl_ok($stack, ['flow', 'add', 'appointment', @acme, '--flow-json', '-', '--logic', $logic_file, '--no-activate', '--json'],
    'a new version, from standard input', stdin => read_file($flow_file));
is($second->{version}, 2, 'it is version 2');
is($second->{active_version}, 1, 'version 1 stays active');
is($second->{id}, $flow->{id}, 'of the same flow');
my $broken = write_file("$dir/broken.json", read_file($flow_file) =~ s/"type": "Footer"/"type": "Fooder"/r, 0644);
my $refused = $stack->ctl_raw(['flow', 'add', 'appointment', @acme, '--flow-json', $broken, '--json']);
is($refused->{rc}, 1, 'flow add of a bad flow is 1');
is(json_of($refused, 'flow add of a bad flow')->{success}, Cpanel::JSON::XS::false, 'its errors come out as flow check shows them');
is($dbh->selectrow_array('SELECT count(*) FROM wflows.flow_versions WHERE flow_id = ?', undef, $flow->{id}), 2, 'nothing was stored');
like(ctl_ok($stack, ['flow', 'list', @acme], 'flow list')->{out}, qr/^appointment +active +1 /m, 'the table');
is(ctl_ok($stack, ['flow', 'show', $flow->{id}, @acme, '--json'], 'flow show by id')->{name}, 'appointment', 'it is that flow');
is(ctl_ok($stack, ['flow', 'deactivate', 'appointment', @acme, '--json'], 'flow deactivate')->{status}, 'inactive', 'inactive');
is(ctl_ok($stack, ['flow', 'activate', 'appointment', @acme, '--json'], 'flow activate')->{status}, 'active', 'active');
my $token = ctl_ok($stack, ['flow', 'token', 'appointment', @acme, '--ttl', '1h', '--json'], 'flow token');
like($token->{flow_token}, qr/^wfb1\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/, 'a bound token');
isnt(ctl_ok($stack, ['flow', 'token', 'appointment', @acme], 'another')->{out}, "$token->{flow_token}\n", 'each is new');
ctl_fails($stack, ['flow', 'token', 'nothing', @acme], 4, qr/no flow 'nothing'/, 'an unknown flow is 4');
ctl_ok($stack, ['flow', 'remove', 'appointment', @acme, '--yes'], 'flow remove');
ctl_fails($stack, ['flow', 'show', 'appointment', @acme], 4, qr/no flow/, 'it is gone');

# ---- master-key ---------------------------------------------------------------------------------------------------

my $k2 = "$dir/secrets/master-k2";
ctl_ok($stack, ['master-key', 'new', '--out', $k2], 'master-key new --out');
is((stat $k2)[2] & 07777, 0600, 'the file is for its owner alone');
like(read_file($k2), qr{\A[A-Za-z0-9+/]{43}=\n\z}, '256 bits in base64');
push @secrets, read_file($k2) =~ s/\s+\z//r;
ctl_fails($stack, ['master-key', 'new', '--out', $k2], 6, qr/exists already/, 'a key is never overwritten');
my $conf2 = write_file("$dir/k2.conf", "WflowsKey k2 file:$k2\nInclude $dir/ctl.conf\n", 0600);
my %both = (env => { WFLOWSCTL_CONFIG => $conf2 });
my $status = ctl_ok($stack, ['master-key', 'status', '--json'], 'master-key status', %both);
is_deeply([map { [@$_{qw(id role data_keys)}] } @{ $status->{data} }], [['k2', 'primary', 0], ['k1', 'older', 2]], 'before: all by k1');
my $rewrapped = ctl_ok($stack, ['master-key', 'rewrap', '--json'], 'master-key rewrap', %both);
is($rewrapped->{rewrapped}, 2, 'both data keys are moved');
is($rewrapped->{left}, 0, 'none is left');
is(ctl_ok($stack, ['master-key', 'rewrap', '--json'], 'once more', %both)->{rewrapped}, 0, 'has nothing to do');
my $lost = $stack->ctl_raw(['master-key', 'status']);
is($lost->{rc}, 1, 'with k1 alone, status is 1');
like($lost->{out}, qr/^k2 +not configured +2 /m, 'and names what is missing');
ctl_fails($stack, ['account', 'set', 'head', @acme, '--verify-token', 'env:V'], 4, qr/k2/, 'with k1 alone, nothing can be sealed', env => { V => 'x' });
my $k3 = $stack->secret_file('master-k3', read_file($k2) =~ tr/A-Za-z/a-zA-Z/r);
ctl_fails($stack, ['master-key', 'rewrap', '--json'], 7, qr/2 data keys are left/, 'rewrap cannot move what it cannot open',
    env => { WFLOWSCTL_CONFIG => write_file("$dir/try.conf", "WflowsKey k3 file:$k3\nInclude $dir/ctl.conf\n", 0600) });
cmp_ok(scalar(audits(action => 'data_key.rewrapped')), '>=', 1, 'an audit row is written');

# ---- doctor -----------------------------------------------------------------------------------------------------

my $doctor = ctl_ok($stack, ['doctor', '--json'], 'doctor', %both);
is($doctor->{ok}, 1, 'all is well') or diag(explain($doctor->{checks}));
my %check = map { $_->{check} => $_ } @{ $doctor->{checks} };
is($check{$_}{status}, 'ok', "doctor looked at: $_")
    for 'configuration', 'master keys', 'PostgreSQL', 'role', 'schema', 'migrations', 'row security', 'Redis', 'Redis memory', 'data keys', 'sealed values', 'clock';

sub doctor_finds {
    my ($check, $pattern, $name, @conf) = @_;
    my $r = $stack->ctl_raw(['doctor', '--json'], env => { WFLOWSCTL_CONFIG => write_file("$dir/try.conf", join("\n", @conf, ''), 0600) });
    is($r->{rc}, 1, "doctor: $name is 1");
    my ($found) = grep { $_->{check} eq $check && $_->{status} eq 'error' } @{ json_of($r, "doctor: $name")->{checks} };
    like($found->{message} // '(no such finding)', $pattern, "doctor: $name is found");
    ok($found->{mend}, "doctor: $name: it says how to mend it");
}

my $k2_line = "WflowsKey k2 file:$k2";
doctor_finds('configuration', qr/no WflowsDB/, 'a missing directive', '# nothing');
doctor_finds('master keys', qr/none\.key/, 'a key file that is not there', "Include $dir/ctl.conf", "WflowsKey k3 file:$dir/none.key");
chmod 0644, write_file("$dir/open.key", read_file($k2), 0644);
doctor_finds('master keys', qr/open\.key can be read/, 'a key that others can read', "WflowsKey k2 file:$dir/open.key", "Include $dir/ctl.conf");
doctor_finds('data keys', qr/2 of 2 .* k2/, 'a master key that is not configured', "Include $dir/ctl.conf");
doctor_finds('role', qr/superuser/, 'a superuser as the runtime role', "Include $dir/ctl.conf", $k2_line,
    'WflowsDB file:' . $stack->secret_file('db-super', $stack->pg->conninfo('postgres', $stack->secret('pg-superuser'), 'wflows')));
doctor_finds('role', qr/owns schema/, 'the owner as the runtime role', "Include $dir/ctl.conf", $k2_line, "WflowsDB file:$dir/secrets/db-owner");
doctor_finds('PostgreSQL', qr/./, 'a PostgreSQL that is not there', "Include $dir/ctl.conf", $k2_line, 'WflowsDB "host=127.0.0.1 port=1 dbname=x user=y"');
doctor_finds('Redis', qr/./, 'a Redis that is not there', "Include $dir/ctl.conf", $k2_line, 'WflowsRedis redis://127.0.0.1:1');
doctor_finds('sealed values', qr/acme/, 'a value that does not open', "Include $conf2") if do {
    my $other = $dbh->selectrow_array('SELECT verify_token FROM wflows.whatsapp_accounts WHERE id = ?', undef, $account->{id});
    $dbh->do('UPDATE wflows.whatsapp_accounts SET app_secret = ? WHERE id = ?', undef, $other, $account->{id});
};
$dbh->do('RESET ROLE');
$dbh->do('ALTER TABLE wflows.opt_outs NO FORCE ROW LEVEL SECURITY');
doctor_finds('row security', qr/opt_outs/, 'a table without its wall', "Include $conf2");
$dbh->do('ALTER TABLE wflows.opt_outs FORCE ROW LEVEL SECURITY');
$dbh->do("UPDATE wflows.schema_migrations SET checksum = 'x' WHERE version = 2");
doctor_finds('migrations', qr/0002.* was changed/, 'a migration that was changed', "Include $conf2");

# ---- a server that does not answer ------------------------------------------------------------------------------

ctl_fails($stack, ['company', 'list', '--json', '--db', 'host=127.0.0.1 port=1 dbname=x user=y'], 9, qr/./, 'no PostgreSQL is 9');
$stack->redis->stop;
my $without = $stack->ctl_raw(['company', 'set', 'acme', '--display-name', 'No cache', '--json'], %both);
is($without->{rc}, 0, 'without Redis a change is made all the same');
is(json_of($without, 'without Redis')->{display_name}, 'No cache', 'and comes back');

# ---- no secret came out -----------------------------------------------------------------------------------------

ctl_ok($stack, ['company', 'remove', 'acme', '--yes'], 'company remove', %both);
ctl_fails($stack, ['company', 'show', 'acme'], 4, qr/no company/, 'it is gone', %both);
$dbh->do('SET ROLE wflows_platform');
push @said, map { join(' ', map { $_ // '' } @$_) }
    @{ $dbh->selectall_arrayref('SELECT action, old_values::text, new_values::text, metadata::text FROM wflows.audit_logs') };
for my $secret (grep { defined && length >= 6 } map { s/\s+\z//r } @secrets) {
    my @told = grep { index($_, $secret) >= 0 } @said;
    ok(!@told, 'a secret came out nowhere: no output, no audit row') or diag($told[0]);
}

done_testing();
