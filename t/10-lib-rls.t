#!/usr/bin/perl
# The wall between companies: what a connection as wflows_app can see and change of another company's rows.
# The tables come from the catalog, so that a new one without its wall fails here. The owner that
# migrates is no superuser.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp qw(tempdir);
use Test::More;
use Wflows::Postgres;
use Wflows::Process qw(read_file);
use Wflows::Test qw(need);

need('pg');
my $src = $ENV{WF_SRCDIR} // "$FindBin::Bin/..";

# Tables of the platform itself: everything else in the schema is a tenant table.
my %is_platform = map { $_ => 1 } qw(job_runs plans schema_migrations);

# ---- a migrated database with the same rows for two companies ------------------------------------------

my $pg = Wflows::Postgres->new(dir => tempdir('wflows-rls-XXXXXX', TMPDIR => 1, CLEANUP => 1),
    password => 'super', settings => { fsync => 'off' });
$pg->start;
END { my $status = $?; $pg->stop if $pg; $? = $status }

{
    my $root = $pg->dbh('postgres', 'super', 'postgres');
    $root->do("create role wf_owner login createrole password 'owner'");
    $root->do('create database wf owner wf_owner');
}
{
    my $owner = $pg->dbh('wf_owner', 'owner', 'wf');
    local $SIG{__WARN__} = sub { };
    for my $file (sort glob("$src/schema/*.sql")) {
        $owner->begin_work;
        $owner->do(read_file($file));
        $owner->commit;
    }
}
my $root = $pg->dbh('postgres', 'super', 'wf');
$root->do("alter role wflows_app password 'app'");

my %company = (
    a => '00000000-0000-7000-8000-00000000000a',
    b => '00000000-0000-7000-8000-00000000000b',
);
my $hash = '\\x' . ('ab' x 32);

# One row for each table and company: columns and their values. Written by hand, because only a row that
# is really there can show that it is not seen.
my @samples = (
    companies => sub { { id => $_[0], name => "N $_[1]", slug => "slug-$_[1]", display_name => 'D' } },
    whatsapp_accounts => sub { { company_id => $_[0], id => $_[0], name => "acc-$_[1]", display_name => 'D',
            phone_number_id => "55110000" . ord($_[1]), is_default => 't' } },
    data_keys => sub { { company_id => $_[0], id => $_[0], wrapped => 'wk1:k:AAAA' } },
    flows => sub { { company_id => $_[0], id => $_[0], name => 'flow', display_name => 'F' } },
    flow_versions => sub { { company_id => $_[0], flow_id => $_[0], version => 1, flow_json => '{}',
            plan => "plan-$_[1]" } },
    flow_sessions => sub { { company_id => $_[0], id => $_[0], account_id => $_[0], flow_id => $_[0],
            flow_name => 'flow', flow_version => 1, token_hash => $hash, step => 1, record => qq({"of":"$_[1]"}),
            expires_at => '2030-01-01' } },
    flow_responses => sub { { company_id => $_[0], id => $_[0], account_id => $_[0], source => 'endpoint',
            response => '{}' } },
    webhook_events => sub { { company_id => $_[0], id => $_[0], event_type => 'message', dedup_key => 'k',
            payload => '{}' } },
    outbox => sub { { company_id => $_[0], id => $_[0], consumer => 'cache', event_type => 'x', payload => '{}',
            idempotency_key => 'k' } },
    billing_events => sub { { company_id => $_[0], id => "evt_$_[1]", type => 'x', kind => 'other', created_at => '2026-01-01',
            payload => '{}' } },
    billing_subscriptions => sub { { company_id => $_[0], status => 'active', last_event_at => '2026-01-01' } },
    outbox_attempts => sub { { company_id => $_[0], outbox_id => $_[0], attempt => 1 } },
    media => sub { { company_id => $_[0], id => $_[0], source => 'cdn', media_id => 'm', sha256 => 'ab' x 32 } },
    usage_counters => sub { { company_id => $_[0], month => '2026-11', metric => 'messages', n => 5 } },
    usage_days => sub { { company_id => $_[0], day => '2026-11-22', metric => 'messages', n => 5 } },
    erasures => sub { { company_id => $_[0], slug => "slug-$_[1]" } },
    audit_heads => sub { { company_id => $_[0], seq => 9, hash => $hash } },
    audit_logs => sub { { company_id => $_[0], id => $_[0], actor => 'x', action => 'a.b', resource_type => 'a' } },
    users => sub { { company_id => $_[0], id => $_[0], email => 'a@b.example', name => 'U', role => 'admin' } },
    api_keys => sub { { company_id => $_[0], id => $_[0], name => 'K', key_hash => '$argon2id$x',
            key_prefix => 'abcdefgh' } },
    api_key_addresses => sub { { company_id => $_[0], key_id => $_[0], address => '192.0.2.1' } },
    user_sessions => sub { { company_id => $_[0], id => $_[0], user_id => $_[0], expires_at => '2030-01-01' } },
    refresh_tokens => sub { { company_id => $_[0], session_id => $_[0], token_hash => $hash, expires_at => '2030-01-01' } },
    idempotency_keys => sub { { company_id => $_[0], subject => 's', key => 'k', request_hash => $hash,
            claim => $_[0], lease_until => '2030-01-01', expires_at => '2030-01-01' } },
    integrations => sub { { company_id => $_[0], id => $_[0], kind => 'custom', name => 'I' } },
    feature_flags => sub { { company_id => $_[0], name => 'flag' } },
    approvals => sub { { company_id => $_[0], id => $_[0], action => 'a.b', resource_type => 'a', operation => 'a_b',
            request => '{}', sealed => 'wf1:x', requested_by => 'x', expires_at => '2030-01-01' } },
    flow_messages => sub { { company_id => $_[0], message_id => 'wamid.1', token_hash => 'x' } },
    sent_messages => sub { { company_id => $_[0], id => $_[0], account_id => $_[0], flow_id => $_[0], kind => 'template', token_hash => 'x' } },
    flow_health => sub { { company_id => $_[0], meta_flow_id => '88', event => 'endpoint_latency', at => '2026-01-01Z', payload => '{}' } },
    counts_pending => sub { { company_id => $_[0], id => $_[0], month => '2026-01', events => 1, messages_received => 0, messages_sent => 0, flows_completed => 0, at => '2026-01-01Z' } },
    opt_outs => sub { { company_id => $_[0], contact => '5511', source => 'api' } },
);
my %sample = @samples;

sub insert_sql {
    my ($dbh, $table, $row) = @_;
    my @columns = sort keys %$row;
    return "insert into wflows.$table (" . join(', ', @columns) . ') values ('
        . join(', ', map { $dbh->quote($row->{$_}) } @columns) . ')';
}

while (my ($table, $make) = splice(@samples, 0, 2)) {
    $root->do(insert_sql($root, $table, $make->($company{$_}, $_))) for qw(a b);
}
$root->do("update wflows.flows set active_version = 1");
$root->do('analyze');

my @tables = @{ $root->selectcol_arrayref(q{select c.relname from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'wflows' and c.relkind in ('r', 'p', 'm', 'f') order by 1}) };
my @tenant_tables = grep { !$is_platform{$_} } @tables;
sub company_column { return $_[0] eq 'companies' ? 'id' : 'company_id' }

# ---- what the catalog says ---------------------------------------------------------------------------------

ok(@tenant_tables >= 19, 'there are tenant tables');
for my $table (@tenant_tables) {
    my $column = company_column($table);
    my $rule = "($column = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS \"nullif\"))";
    ok($sample{$table}, "$table has a sample row in this test");

    my ($enabled, $forced, $owner) = $root->selectrow_array(q{select relrowsecurity, relforcerowsecurity,
        pg_get_userbyid(relowner) from pg_class where oid = ?::regclass}, undef, "wflows.$table");
    ok($enabled && $forced, "$table has row security enabled and forced");
    is($owner, 'wf_owner', "$table belongs to the owner");

    my $policies = $root->selectall_arrayref(q{select policyname, permissive, array_to_string(roles, ','), cmd, qual,
        with_check from pg_policies where schemaname = 'wflows' and tablename = ? order by 1}, undef, $table);
    my @walls = grep { $_->[2] eq 'public' } @$policies;
    is_deeply(\@walls, [['tenant_wall', 'PERMISSIVE', 'public', 'ALL', $rule, $rule]],
        "$table has the tenant policy for everybody, and no other one for everybody");
    my @others = grep { $_->[2] ne 'public' } @$policies;
    ok(!(grep { !($_->[2] eq 'wflows_platform' || $_->[2] =~ /^wflows_lookup(?:,wflows_worker)?$/ && $_->[3] eq 'SELECT'
                || $_->[2] eq 'wflows_worker' && ($table =~ /^(?:outbox|audit_logs)$/ || $_->[3] eq 'SELECT')) } @others),
        "$table has further policies for wflows_platform, for look-ups and workers to read, and on outbox and audit rows for workers, only");
}

# The only unique thing that spans companies: nobody but the platform inserts there, nobody changes a slug.
my $unique = $root->selectall_arrayref(q{select c.relname, i.relname, a.attname
    from pg_index x join pg_class c on c.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
    join pg_namespace n on n.oid = c.relnamespace
    left join pg_attribute a on a.attrelid = c.oid and a.attnum = x.indkey[0]
    where n.nspname = 'wflows' and x.indisunique});
is_deeply([sort map { "$_->[1]($_->[2])" }
        grep { !$is_platform{ $_->[0] } && $_->[2] ne company_column($_->[0]) } @$unique],
    ['companies_slug_key(slug)'], 'every primary key and unique index of a tenant table begins with the company');

my $foreign = $root->selectall_arrayref(q{select c.conname, c.conrelid::regclass::text, c.confrelid::regclass::text,
    (select attname from pg_attribute where attrelid = c.conrelid and attnum = c.conkey[1]),
    (select attname from pg_attribute where attrelid = c.confrelid and attnum = c.confkey[1])
    from pg_constraint c join pg_namespace n on n.oid = c.connamespace where n.nspname = 'wflows' and c.contype = 'f'});
ok(@$foreign > 8, 'there are foreign keys');
is_deeply([map { $_->[0] } grep {
            my ($to) = $_->[2] =~ /(\w+)$/;
            my ($from) = $_->[1] =~ /(\w+)$/;
            !$is_platform{$to} && ($_->[3] ne company_column($from) || $_->[4] ne company_column($to))
        } @$foreign], [], 'every foreign key between tenant tables begins with the company');

my $functions = $root->selectall_arrayref(q{select p.oid::regprocedure::text, p.prosecdef,
    pg_get_userbyid(p.proowner), array_to_string(p.proconfig, ';'),
    exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x where x.grantee = 0)
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'wflows'});
is_deeply([map { $_->[0] } grep { $_->[4] } @$functions], [], 'PUBLIC may call no function');
is_deeply([map { $_->[0] } grep { $_->[1]
            && ($_->[2] !~ /^wflows_(?:lookup|worker)$/ || $_->[3] !~ /^search_path=pg_catalog, pg_temp(?:;enable_seqscan=off)?$/) } @$functions], [],
    'every SECURITY DEFINER function is of wflows_lookup or wflows_worker and has its search_path pinned');
is_deeply([sort map { $_->[0] =~ /\.(\w+)/ } grep { $_->[1] } @$functions],
    [qw(api_key_record auth_company auth_user erase_audit login_record outbox_claim outbox_depth refresh_record schema_version tenant_record tenant_record_others)], 'these functions cross companies, and no other');
is($root->selectrow_array(q{select string_agg(distinct table_name || ':' || privilege_type, ',' order by
    table_name || ':' || privilege_type) from information_schema.table_privileges where grantee = 'wflows_lookup'}),
    join(',', map { "$_:SELECT" } sort qw(api_keys companies data_keys plans refresh_tokens schema_migrations user_sessions users whatsapp_accounts)),
    'wflows_lookup may read what the look-ups read, and nothing else');
is($root->selectrow_array(q{select string_agg(distinct table_name || ':' || privilege_type, ',' order by
    table_name || ':' || privilege_type) from information_schema.table_privileges where grantee = 'wflows_worker'}),
    join(',', map { "$_:SELECT" } sort qw(audit_logs companies data_keys erasures outbox whatsapp_accounts)),
    'wflows_worker may read what a claim and an erasure read');
is($root->selectrow_array(q{select string_agg(table_name || '.' || column_name, ',' order by table_name, column_name)
    from information_schema.column_privileges where grantee = 'wflows_worker' and privilege_type <> 'SELECT'}),
    join(',', (map { "audit_logs.$_" } qw(actor ip_address metadata new_values old_values request_id resource_id salt user_agent user_id)),
        map { "outbox.$_" } qw(due lease_owner lease_until status)), 'and mark outbox rows and blank audit rows, nothing else');
is($root->selectrow_array(q{select count(*) from information_schema.table_privileges
    where table_schema = 'wflows' and (grantee = 'PUBLIC' or privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER')
    and grantee like 'wflows_%')}), 0, 'nothing is granted to PUBLIC, no role may truncate or reference');

# ---- as the application --------------------------------------------------------------------------------------

my $app = $pg->dbh('wflows_app', 'app', 'wf');

# In a transaction with the tenant set, which is rolled back. Returns what the code returns, or the error.
sub as_tenant {
    my ($tenant, $code) = @_;
    my $result;
    $app->begin_work;
    eval {
        $app->do(q{select set_config('app.tenant_id', ?, true)}, undef, $company{$tenant}) if $tenant;
        $result = $code->();
        1;
    } or do { ($result = $@) =~ s/\s+at \S+ line.*//s };
    $app->rollback;
    return $result;
}

sub affects_nothing {
    my ($name, $sql, $tenant) = @_;
    my $got = as_tenant($tenant // 'a', sub { $app->do($sql) + 0 });
    ok($got eq '0' || $got =~ /permission denied/, $name) or diag("$sql: $got");
}

sub refused {
    my ($name, $sql, $why, $tenant) = @_;
    my $got = as_tenant($tenant // 'a', sub { $app->do($sql); 'done' });
    like($got, $why // qr/row-level security|permission denied/, $name) or diag($sql);
}

sub value { my ($tenant, $sql) = @_; return as_tenant($tenant, sub { scalar $app->selectrow_array($sql) }) }

for my $table (grep { $sample{$_} } @tenant_tables) {
    my $column = company_column($table);
    my $b = "$column = '$company{b}'";
    is(value('a', "select count(*) from wflows.$table"), 1, "$table: a tenant sees its own rows only");
    is(value('a', "select count(*) from wflows.$table where $b"), 0, "$table: asking for another's rows finds none");
    is(value('a', "with x as (select * from wflows.$table) select count(*) from x where $b"), 0, "$table: nor by a CTE");
    affects_nothing("$table: updates none of another's rows", "update wflows.$table set $column = $column where $b");
    affects_nothing("$table: deletes none of another's rows", "delete from wflows.$table where $b");
    affects_nothing("$table: locks none of another's rows", "select 1 from wflows.$table where $b for update");
    my $row = $sample{$table}->($company{b}, 'z');
    refused("$table: inserts no row for another", insert_sql($app, $table, $row));
    refused("$table: inserts none with ON CONFLICT either", insert_sql($app, $table, $row) . ' on conflict do nothing');
    refused("$table: moves no row to another", "update wflows.$table set $column = '$company{b}'");
    refused("$table: takes no COPY", "copy wflows.$table from stdin", qr/row-level security|permission denied/);
    refused("$table: cannot be truncated", "truncate wflows.$table cascade", qr/permission denied/);
    refused("$table: cannot be altered", "alter table wflows.$table disable row level security", qr/must be owner/);
    refused("$table: takes no other policy", "create policy p on wflows.$table using (true)", qr/must be owner/);
    is(value(undef, "select count(*) from wflows.$table"), 0, "$table: without a tenant there are no rows");
    refused("$table: without a tenant nothing is inserted", insert_sql($app, $table, $sample{$table}->($company{a}, 'z')),
        undef, '');
}
is($root->selectrow_array("select count(*) from wflows.$_"), 2, "$_: both rows are still there") for @tenant_tables;

for my $bad ('', ' ', 'x', "' or true --", '00000000-0000-0000-0000-000000000000') {
    my $got = eval {
        $app->begin_work;
        $app->do(q{select set_config('app.tenant_id', ?, true)}, undef, $bad);
        $app->selectrow_array('select count(*) from wflows.companies');
    };
    my $error = $@;
    $app->rollback;
    ok($error =~ /invalid input syntax for type uuid/ || defined $got && $got == 0, "the tenant '$bad' sees no rows");
}
is(value(undef, q{select coalesce(current_setting('app.tenant_id', true), '')}), '', 'the tenant goes with its transaction');

# ---- other ways in ------------------------------------------------------------------------------------------------

my ($in_a, $in_b) = map { "'$company{$_}'" } qw(a b);
my $columns_b = "company_id = $in_b";

is(as_tenant('a', sub {
            my ($out, $line) = ('', '');
            $app->do('copy (select name from wflows.whatsapp_accounts) to stdout');
            $out .= $line while $app->pg_getcopydata($line) >= 0;
            $app->do('copy wflows.flow_versions (plan) to stdout');
            $out .= $line while $app->pg_getcopydata($line) >= 0;
            return $out;
        }), "acc-a\nplan-a\n", 'COPY TO gives the own rows only');

SKIP: {
    skip 'MERGE is of PostgreSQL 15', 2 if $root->{pg_server_version} < 150000;
    my $merge = 'merge into wflows.flows f using (values (%s::uuid)) s (id) on f.id = s.id'
        . ' when matched then update set display_name = %s when not matched then insert (company_id, id, name, display_name)'
        . " values (%s, s.id, 'n', 'd')";
    my $leaked = as_tenant('a', sub { $app->do(sprintf($merge, $in_b, "'taken'", $in_a)); 'inserted' });
    is($leaked, 'inserted', 'MERGE does not match the row of another');
    refused('MERGE inserts no row for another', sprintf($merge, "'00000000-0000-7000-8000-0000000000ff'", "'x'", $in_b));
}

is(as_tenant('a', sub {
            $app->do("insert into wflows.usage_counters values ($in_a, '2026-11', 'messages', 1)"
                    . ' on conflict (company_id, month, metric) do update set n = usage_counters.n + 1');
            return scalar $app->selectrow_array('select n from wflows.usage_counters');
        }), 6, 'an upsert meets the own row, although another has the same key');
is($root->selectrow_array("select n from wflows.usage_counters where $columns_b"), 5, 'and leaves the other one alone');

# A foreign key that looks into another company would tell which ids exist there.
my $flow = "insert into wflows.flows (company_id, id, name, display_name, account_id) values ($in_a, gen_random_uuid(), 'p', 'p', %s)";
my $probe = as_tenant('a', sub { $app->do(sprintf($flow, $in_b)); 'done' });
my $void = as_tenant('a', sub { $app->do(sprintf($flow, 'gen_random_uuid()')); 'done' });
like($probe, qr/violates foreign key constraint "flows_account_id_fkey"/, 'a foreign key does not reach another company');
s/\([^()]*-[^()]*\)//g for $probe, $void;
is($probe, $void, 'and says the same of an id that is there and one that is nowhere');
refused('a slug cannot be changed, and so not be probed', "update wflows.companies set slug = 'slug-b'", qr/permission denied/);
refused('a company cannot be made, and so no slug be probed',
    insert_sql($app, 'companies', { %{ $sample{companies}->($company{a}, 'b') } }));

is(as_tenant('a', sub {
            $app->do('create temp view v as select * from wflows.companies');
            return scalar $app->selectrow_array("select string_agg(slug, ',') from v");
        }), 'slug-a', 'a view of its own shows no more');

# A function that is cheap enough to be called before the policy would print what it is given.
my @notices;
{
    local $SIG{__WARN__} = sub { push @notices, @_ };
    as_tenant('a', sub {
            $app->do(q{create function pg_temp.leak(text) returns boolean language plpgsql cost 0.0000001 as
                $$ begin raise warning 'leaked %', $1; return true; end $$});
            $app->do('select * from wflows.whatsapp_accounts where pg_temp.leak(name)');
        });
}
ok((grep { /leaked acc-a/ } @notices), 'a leaky function sees the own rows');
ok(!(grep { /leaked acc-b/ } @notices), 'and none of another');

is(value('a', q{select count(*) from pg_stats where schemaname = 'wflows' and tablename in ('companies', 'flows', 'users')}),
    0, 'the statistics tell nothing');
refused('row_security = off does not open the wall',
    q{do $$ begin perform set_config('row_security', 'off', true); perform * from wflows.companies; end $$},
    qr/query would be affected by row-level security/);

# A plan prepared for one tenant, generic by now, serves the next.
{
    my $sth = $app->prepare('select string_agg(slug, ?) from wflows.companies', { pg_prepare_now => 1 });
    my @seen;
    for my $tenant (('a') x 8, ('b') x 2, '') {
        $app->begin_work;
        $app->do(q{select set_config('app.tenant_id', ?, true)}, undef, $company{$tenant}) if $tenant;
        $sth->execute(',');
        push @seen, ($sth->fetchrow_array)[0] // '-';
        $sth->finish;
        $app->commit;
    }
    is_deeply(\@seen, [('slug-a') x 8, ('slug-b') x 2, '-'], 'a prepared plan follows the tenant');
}

# ---- functions -----------------------------------------------------------------------------------------------------

my $token = 'ab' x 32;
like(value(undef, q{select wflows.tenant_record('slug-b', null)}), qr/"slug" : "slug-b"/, 'before there is a tenant, a look-up finds any company');
is(value('a', q{select wflows.tenant_record('slug-b', null)}), undef, 'with a tenant set it finds no other');
like(value('a', q{select wflows.tenant_record('slug-a', null)}), qr/"slug" : "slug-a"/, 'but itself');
is(value('a', qq{select wflows.tenant_record('slug-a', $in_b)}), undef, "nor another's account");
is(value('a', qq{select wflows.tenant_record_others($in_b, null)}), '[]', "nor another's accounts");
for my $look_up (q{api_key_record('abcdefgh')}, "auth_user('$company{b}', '$company{b}')", "auth_company('$company{b}')", q{auth_company('slug-b')},
    qq{login_record('a\@b.example', 'slug-b')}, "refresh_record('" . substr($hash, 2) . "')") {
    is(value('a', "select wflows.$look_up"), undef, "a tenant does not look up who calls: $look_up");
}
like(value(undef, "select wflows.auth_user('$company{b}', null)"), qr/"slug" : "slug-b"/, 'before there is a tenant they know a person');
like(value(undef, q{select wflows.auth_company('slug-b')}), qr/"active"/, 'and a company');
refused("session_load reads no session of another", qq{select wflows.session_load($in_b, '$token')}, qr/another company/);
refused("flow_plan reads no plan of another", qq{select * from wflows.flow_plan($in_b, 'flow', 0)}, qr/another company/);
my $step = q{select * from wflows.session_steps(array[%1$s, %1$s, %1$s, %1$s, 'flow', '1', '} . $token . q{', '2', 'active', 'S', '{}', '3.0', '1', null, null])};
refused('session_steps writes no step of another', sprintf($step, $in_b), qr/another company/);
refused('nor one of no company', sprintf($step, 'null'), qr/another company/);
refused('flow_error_event writes no event of another', qq{select wflows.flow_error_event($in_b, null, 'd', '{}')}, qr/another company/);
refused('a tenant claims nothing from the outbox',
    qq{select * from wflows.outbox_claim('callback', 'x', 1000, 10, 10, $in_a, $in_a, '{}')}, qr/a claim is of no company/);
refused('nor sees how much there is', q{select * from wflows.outbox_depth('callback')}, qr/the depth is of no company/);
refused('outbox_add puts nothing in for another', qq{select wflows.outbox_add($in_b, 'callback', null, 'x', 'new', '{}')});
refused('outbox_finish finishes nothing of another',
    qq{select wflows.outbox_finish(array['$company{b}', '$company{b}', 'x', 'done', null, '1', '1', null, null, null])}, qr/another company/);
refused('outbox_release releases nothing of another', qq{select wflows.outbox_release(array['$company{b}', '$company{b}', 'x'])},
    qr/another company/);
is(value('a', qq{select wflows.outbox_replay($in_b, array[$in_b]::uuid[])}), 0, 'outbox_replay sends nothing of another again');
refused('the tenant cannot be left by tenant_enter', qq{select wflows.tenant_enter($in_b)}, qr/another company/);
refused('nor by finishing rows of no company',
    qq{select wflows.outbox_finish(array[null, '$company{b}', 'x', 'done', null, '1', '1', null, null, null])}, qr/another company/);
refused('there is no step without a company', qq{select wflows.session_load(null, '$token')}, qr/another company/, '');
is(value(undef, qq{select wflows.session_load($in_b, '$token')::text || coalesce(current_setting('app.tenant_id', true), '')}),
    '{"of":"b"}', 'a step function leaves no tenant behind');
refused('a company does not erase itself', qq{select wflows.erase_rows($in_a, 1)}, qr/permission denied/);
refused('nor what is in its audit rows', qq{select wflows.erase_audit($in_a, 0, 1)}, qr/permission denied/);
refused('protect is of migrations only', q{call wflows.protect('wflows.companies')}, qr/permission denied/);

# ---- roles --------------------------------------------------------------------------------------------------------------

refused("wflows_app cannot become $_", "set local role $_", qr/permission denied to set role/) for qw(wf_owner postgres wflows_lookup wflows_worker);
refused('nor make anything in the schema', 'create table wflows.mine (id int)', qr/permission denied/);
refused('nor change a look-up', 'drop function wflows.tenant_record(text, text)', qr/must be owner/);
refused('nor forget what was done', 'delete from wflows.audit_logs', qr/permission denied/);
refused('nor rewrite it', q{update wflows.audit_logs set actor = 'y'}, qr/permission denied/);
refused('nor say that a migration was applied', q{insert into wflows.schema_migrations values (99, 'x', 'y')}, qr/permission denied/);
is($root->selectrow_array(q{select bool_or(rolsuper or rolbypassrls or rolcreaterole or rolcreatedb) from pg_roles
    where rolname like 'wflows_%'}), 0, 'no role of ours is more than it needs');
is($root->selectrow_array(q{select string_agg(rolname, ',' order by rolname) from pg_roles where rolname like 'wflows_%' and rolcanlogin}),
    'wflows_app', 'only wflows_app logs in');
is($root->selectrow_array(q{select pg_has_role('wflows_app', 'wflows_platform', 'usage')}), 0,
    'wflows_app has no right of wflows_platform without entering it');

# What wflows_platform may do once it is entered.
sub as_platform {
    my ($sql) = @_;
    return as_tenant(undef, sub { $app->do('set local role wflows_platform'); scalar $app->selectrow_array($sql) });
}
is(as_platform("select count(*) from wflows.$_"), 2, "the platform sees every row of $_") for @tenant_tables;
for my $sql ('delete from wflows.audit_logs', q{update wflows.audit_logs set actor = 'y'}, 'truncate wflows.companies cascade',
    'drop function wflows.tenant_record(text, text)', 'create table wflows.mine (id int)', 'set local role wf_owner',
    'alter table wflows.companies no force row level security', q{delete from wflows.plans},
    q{alter function wflows.tenant_record(text, text) security invoker}, 'delete from wflows.schema_migrations') {
    like(as_platform($sql), qr/permission denied|must be owner/, "the platform may not: $sql");
}
like(as_platform("select wflows.$_"), qr/is not being erased/, "the platform erases no company that nobody asked to: $_")
    for "erase_rows('00000000-0000-7000-8000-00000000000c', 10)", "erase_audit('00000000-0000-7000-8000-00000000000c', 0, 10)";
is(value('a', q{select count(*) from wflows.companies}), 1, 'and the role goes with its transaction');

# The owner is bound too, as far as it is not let through by being a member of wflows_platform.
$root->do('revoke wflows_platform, wflows_lookup, wflows_worker from wf_owner');
my $owner = $pg->dbh('wf_owner', 'owner', 'wf');
is($owner->selectrow_array('select count(*) from wflows.companies'), 0, 'row security binds the owner');
like($app->selectrow_array(q{select wflows.tenant_record('slug-a', null)}), qr/slug-a/,
    'and the look-ups do not depend on what the owner may see');

done_testing;
