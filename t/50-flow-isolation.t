#!/usr/bin/perl
# Two companies side by side: whatever of A is tried on B's paths, nothing of A shows and nothing of A changes.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use MIME::Base64 qw(decode_base64);
use Test::More;
use Wflows::Flows qw(linear_flow);
use Wflows::Process qw(read_file);
use Wflows::Seal qw(open_data_key unseal_column);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok need refused start_stack);

need('pg', 'redis', 'httpd');
my $stack = start_stack();
my $json = Cpanel::JSON::XS->new->utf8->canonical;

my $acme = Wflows::Tenant->add($stack, slug => 'acme', flows => {
    secret_survey => [linear_flow(['ACME_ONE', ['ACME_TWO', { intro => 'only for acme' }], 'ACME_END'])],
    common => [linear_flow(['ACME_COMMON', 'ACME_LAST'])] });
my $bolt = Wflows::Tenant->add($stack, slug => 'bolt', flows => { common => [linear_flow(['BOLT_COMMON', 'BOLT_LAST'])] });

my $in_acme = $acme->client(flow => 'secret_survey', token => 'shared-token');
answers($in_acme->init, 'ACME_ONE', 'A has a session');
answers($in_acme->exchange('ACME_ONE', { answer => 'a-private-answer' }), 'ACME_TWO', 'with an answer in it');
my $stored = $acme->sessions;

# ---- on the wire -----------------------------------------------------------------------------------------------

my $path_of_b = $stack->httpd->url('/company/bolt/flows/endpoint');
my $a_account = $acme->{accounts}{main}{id};
my %try = (
    'A\'s key and secret on B\'s path' => [$in_acme->with(url => "$path_of_b/common"), 432],
    'A\'s key, B\'s secret, on B\'s path' => [$in_acme->with(url => "$path_of_b/common", app_secret => $bolt->{accounts}{main}{app_secret}), 421],
    'A\'s flow name on B\'s path' => [$bolt->client(flow => 'secret_survey', token => 'tok-b'), 404],
    'A\'s flow name, pinned, on B\'s path' => [$bolt->client(flow => 'secret_survey@1', token => 'tok-b'), 404],
    'A\'s account id on B\'s path' => [$bolt->client(flow => 'common')->with(url => $stack->httpd->url("/company/bolt/account/$a_account/flows/endpoint/common")), 404],
    'A\'s phone_number_id on B\'s path' => [$bolt->client(flow => 'common')->with(
        url => $stack->httpd->url("/company/bolt/account/$acme->{accounts}{main}{phone_number_id}/flows/endpoint/common")), 404],
    'A\'s account in ?account=' => [$bolt->client(flow => 'common')->with(url => "$path_of_b/common?account=$a_account"), 404],
    'A\'s token on B\'s path, no flow named' => [$bolt->client(token => 'shared-token'), 404],
);
for my $what (sort keys %try) {
    my ($client, $status) = @{ $try{$what} };
    my $r = refused($client->init(token => $client->{token} // 'tok-x'), $status, $what);
    unlike(($r->{body} // '') . $json->encode($r->{headers}), qr/acme|secret_survey|\Q$acme->{id}\E|\Q$a_account\E/i, 'and nothing of A shows');
}
my $r = $bolt->client(flow => 'common')->send({ version => '3.0', action => 'ping' }, headers => { 'x-whatsapp-account' => $a_account });
refused($r, 404, 'A\'s account in X-WhatsApp-Account');
$r = $bolt->client(flow => 'common')->send({ version => '3.0', action => 'ping' }, headers => { 'x-company-slug' => 'acme' });
is($r->{headers}{'x-company-id'}, $bolt->{id}, 'X-Company-Slug does not change whose path it is');

my $in_bolt = $bolt->client(flow => 'common', token => 'shared-token');
my $d = answers($in_bolt->init, 'BOLT_COMMON', 'A\'s token on B\'s path begins a session of B\'s own');
answers($in_bolt->exchange('BOLT_COMMON', { answer => 'of-b' }), 'BOLT_LAST', 'a flow of the same name is B\'s own');
answers($acme->client(flow => 'common', token => 'shared-token-2')->init, 'ACME_COMMON', 'and A\'s is A\'s');
$d = answers($in_bolt->exchange('BOLT_LAST', { answer => 'end' }), 'SUCCESS', 'B\'s flow ends');
unlike($json->encode($d), qr/a-private-answer/, 'with nothing of A');
is_deeply([grep { $_->{flow_name} eq 'secret_survey' } @{ $acme->sessions }], $stored, 'A\'s session is as it was');
answers($in_acme->back('ACME_TWO'), 'ACME_ONE', 'and goes on');

# ---- in Redis --------------------------------------------------------------------------------------------------

my $redis = $stack->redis->client;
my @keys = sort $redis->keys('*');
ok(scalar(grep { /\{acme\}/ } @keys), 'A\'s records are cached');
is_deeply([grep { /\{acme\}/ && /bolt/ || /\{bolt\}/ && /acme/ } @keys], [], 'each under its own slug');
is_deeply([grep { !/^wf:(?:\{[a-z0-9-]+\}:|rl:)/ } @keys], [], 'every key has the prefix and the hash tag');
my $all = join("\n", map {
    my $type = $redis->type($_);
    $type eq 'string' ? $redis->get($_) // '' : $type eq 'hash' ? join("\n", $redis->hgetall($_)) : '';
} @keys);
unlike($all, qr/app-secret-of-acme|BEGIN [A-Z ]*PRIVATE/, 'no secret is cached in clear');
unlike(join("\n", @keys), qr/shared-token/, 'and no key shows a flow token');

# ---- in PostgreSQL -----------------------------------------------------------------------------------------------

my $app = $stack->pg->dbh('wflows_app', $stack->secret('pg-wflows_app'), 'wflows');
my @tables = map { $_->[0] } @{ $stack->dbh->selectall_arrayref(
    q{SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'company_id' AND NOT a.attisdropped
      WHERE c.relnamespace = 'wflows'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1}) };
cmp_ok(scalar @tables, '>=', 12, 'the tenant tables are found');
is_deeply([map { $_->[0] } @{ $stack->dbh->selectall_arrayref(
    q{SELECT relname FROM pg_class WHERE relnamespace = 'wflows'::regnamespace AND relkind IN ('r', 'p')
      AND (relname = 'companies' OR oid IN (SELECT attrelid FROM pg_attribute WHERE attname = 'company_id'))
      AND NOT (relrowsecurity AND relforcerowsecurity)}) }], [], 'row level security is on and forced on each');
for my $table (@tables, 'companies') {
    my $n = eval { $app->selectrow_array("SELECT count(*) FROM wflows.$table") };
    ok(defined $n ? $n == 0 : $app->err, "without a tenant wflows_app sees no row of $table");
}
my $as = sub {
    my ($company, $code) = @_;
    $app->begin_work;
    $app->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $company);
    my $result = eval { $code->() };
    my $error = $@;
    $app->rollback;
    return $error ? "error: $error" : $result;
};
is($as->($acme->{id}, sub { $app->selectrow_array('SELECT count(*) FROM wflows.flow_sessions') }), 2, 'as A it sees A\'s sessions');
for my $table (@tables) {
    my $seen = $as->($acme->{id}, sub { $app->selectrow_array("SELECT count(*) FROM wflows.$table WHERE company_id = ?", undef, $bolt->{id}) });
    ok($seen eq '0' || $seen =~ /permission denied/, "as A it sees no row of B in $table") or diag($seen);
    for my $statement ("DELETE FROM wflows.$table WHERE company_id = ?", "UPDATE wflows.$table SET company_id = company_id WHERE company_id = ?") {
        my $done = $as->($acme->{id}, sub { $app->do($statement, undef, $bolt->{id}) + 0 });
        ok($done eq '0' || $done =~ /permission denied/, 'and can change none: ' . ($statement =~ /(\w+)/)[0]) or diag($done);
    }
}
like($as->($acme->{id}, sub { $app->do(q{INSERT INTO wflows.flow_sessions (company_id, id, account_id, flow_id, flow_name, flow_version, token_hash, step, record, expires_at)
    SELECT ?, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'x', 1, decode(repeat('00', 32), 'hex'), 1, '{}', now()}, undef, $bolt->{id}) }),
    qr/row-level security/, 'nor insert one for B');
like($as->($acme->{id}, sub { $app->do('SET LOCAL ROLE wflows_owner') }), qr/permission denied/, 'and wflows_app cannot become the owner');
is($as->("' OR true --", sub { $app->selectrow_array('SELECT count(*) FROM wflows.companies') }) =~ /invalid input syntax|^0$/ ? 1 : 0, 1,
    'a tenant that is no uuid gives no rows');

# ---- secrets ------------------------------------------------------------------------------------------------------------

my $master = decode_base64(read_file("$stack->{dir}/secrets/master-k1"));
my %row = map { $_->{company_id} => $_ } @{ $stack->dbh->selectall_arrayref(
    q{SELECT a.company_id, a.id, a.app_secret, a.private_key, k.id AS key_id, k.wrapped FROM wflows.whatsapp_accounts a
      JOIN wflows.data_keys k USING (company_id)}, { Slice => {} }) };
my ($a, $b) = @row{ $acme->{id}, $bolt->{id} };
my $key_a = open_data_key($master, $a->{company_id}, $a->{key_id}, $a->{wrapped});
is(length($key_a // ''), 32, 'A\'s data key opens under the master key, in the form of DESIGN.md section 6');
my $place_a = ['whatsapp_accounts', 'app_secret', $a->{company_id}, $a->{id}];
is(unseal_column($key_a, $place_a, $a->{app_secret}), $acme->{accounts}{main}{app_secret}, 'A\'s app secret opens under it');
is(open_data_key($master, $b->{company_id}, $a->{key_id}, $a->{wrapped}), undef, 'a data key copied to another company does not open');
is(unseal_column($key_a, ['whatsapp_accounts', 'app_secret', $b->{company_id}, $b->{id}], $a->{app_secret}), undef,
    'nor a secret that was copied to another row');
is(unseal_column($key_a, ['whatsapp_accounts', 'verify_token', $a->{company_id}, $a->{id}], $a->{app_secret}), undef, 'or to another column');

# What an intruder with write access to the table would try: B's row gets A's sealed secret and key.
$stack->dbh->do('UPDATE wflows.whatsapp_accounts SET app_secret = ?, private_key = ? WHERE company_id = ?', undef,
    $a->{app_secret}, $a->{private_key}, $bolt->{id});
$redis->flushall;
$r = $in_acme->with(url => "$path_of_b/common")->ping;
isnt($r->{status}, 200, 'A\'s sealed values in B\'s row let nobody in');
answers($in_acme->exchange('ACME_ONE', { answer => 'once more' }), 'ACME_TWO', 'while A works on');

errlog_ok($stack, ignore => ['WF0420']);
done_testing();
