package Wflows::Companies;

# Companies for the bench, straight into the tables: each with its own data key, account, RSA key and a copy of the
# demo's flow. Their slugs begin with `prefix`: "bench" of bench/run companies, "events-…" of bench/run events.

use strict;
use warnings;

use Crypt::PRNG qw(random_bytes);
use MIME::Base64 qw(decode_base64);
use Wflows::Process qw(read_file write_file);
use Wflows::Seal qw(seal_column wrap_data_key);

use constant { SECRET => 'bench-companies-app-secret', CALLBACK_SECRET => 'whsec_YmVuY2gtY2FsbGJhY2stc2VjcmV0', WABA => '102033044055066' };

sub slug { my ($i, $prefix) = @_; return sprintf('%s-%06d', $prefix // 'bench', $i) }
sub number { return 900_000_000 + $_[0] }

sub uuid {
    my $bytes = random_bytes(16);
    substr($bytes, 6, 1) = chr(ord(substr($bytes, 6, 1)) & 0x0f | 0x40);
    substr($bytes, 8, 1) = chr(ord(substr($bytes, 8, 1)) & 0x3f | 0x80);
    return join('-', unpack('H8H4H4H4H12', $bytes));
}

# COPY is not allowed where row level security is.
sub _insert {
    my ($dbh, $table, $columns, @rows) = @_;
    while (my @some = splice(@rows, 0, 500)) {
        my $row = '(' . join(', ', ('?') x @{ $some[0] }) . ')';
        $dbh->do("INSERT INTO wflows.$table ($columns) VALUES " . join(', ', ($row) x @some), undef, map { @$_ } @some);
    }
}

# 1 when they had to be made. `callback_url`: where the account of a company, by its number, gets its callbacks.
sub make {
    my (%o) = (prefix => 'bench', @_);
    my $dbh = $o{dbh};
    my ($have) = $dbh->selectrow_array("SELECT count(*) FROM wflows.companies WHERE slug LIKE '$o{prefix}-%' AND deleted_at IS NULL");
    return 0 if $have == $o{count} && -e "$o{dir}/$o{prefix}-public";
    remove(%o) if $have;

    my $keys = qx{'$o{wf_bench}' keys $o{count}};
    my @keys = map { [split /\t/] } split(/\n/, $keys);
    die "wf-bench keys failed\n" unless @keys == $o{count};
    my $master = decode_base64(read_file($o{master_file}));

    my (@companies, @data_keys, @accounts, @public);
    for my $i (0 .. $o{count} - 1) {
        my ($company, $key_id, $account, $key) = (uuid(), uuid(), uuid(), random_bytes(32));
        my ($private, $public) = @{ $keys[$i] };
        push @companies, [$company, (slug($i, $o{prefix})) x 3, 'enterprise'];
        push @data_keys, [$company, $key_id, wrap_data_key($o{master_id}, $master, $company, $key_id, $key)];
        push @accounts, [$company, $account, 'main', 'main', number($i), WABA, 'true', 0,
            seal_column($key_id, $key, ['whatsapp_accounts', 'app_secret', $company, $account], SECRET),
            seal_column($key_id, $key, ['whatsapp_accounts', 'private_key', $company, $account], decode_base64($private)),
            $o{callback_url} ? ($o{callback_url}->($i), seal_column($key_id, $key,
                ['whatsapp_accounts', 'callback_secret', $company, $account], CALLBACK_SECRET)) : (undef, undef)];
        push @public, $public;
    }
    $dbh->begin_work;
    _insert($dbh, 'companies', 'id, name, slug, display_name, subscription_plan', @companies);
    _insert($dbh, 'data_keys', 'company_id, id, wrapped', @data_keys);
    _insert($dbh, 'whatsapp_accounts',
        'company_id, id, name, display_name, phone_number_id, waba_id, is_default, rate_limit_max_requests, app_secret, private_key,
        callback_webhook_url, callback_secret', @accounts);
    _copy_flow($dbh, $o{model}, $o{prefix});
    $dbh->commit;
    $dbh->do("ANALYZE wflows.$_") for qw(companies data_keys whatsapp_accounts flows flow_versions);
    write_file("$o{dir}/$o{prefix}-public", join("\n", @public, ''), 0600);
    return 1;
}

sub _copy_flow {
    my ($dbh, $model, $prefix) = @_;
    $dbh->do(<<'SQL', undef, $model->{company}, $model->{flow}, "$prefix-%");
WITH model AS (
    SELECT f.*, v.version, v.flow_json, v.logic, v.plan FROM wflows.flows f
    JOIN wflows.flow_versions v ON v.company_id = f.company_id AND v.flow_id = f.id AND v.version = f.active_version
    WHERE f.company_id = ? AND f.name = ? AND f.deleted_at IS NULL
), made AS (
    INSERT INTO wflows.flows (company_id, id, name, display_name, status)
    SELECT c.id, gen_random_uuid(), m.name, m.display_name, 'active'
    FROM wflows.companies c, model m WHERE c.slug LIKE ? AND c.deleted_at IS NULL
    RETURNING company_id, id
)
INSERT INTO wflows.flow_versions (company_id, flow_id, version, flow_json, logic, plan)
SELECT made.company_id, made.id, 1, m.flow_json, m.logic, m.plan FROM made, model m
SQL
    $dbh->do("UPDATE wflows.flows SET active_version = 1 WHERE active_version IS NULL
              AND company_id IN (SELECT id FROM wflows.companies WHERE slug LIKE '$prefix-%')");
}

# Companies with all they have. The number of companies.
sub remove {
    my (%o) = (prefix => 'bench', @_);
    my $dbh = $o{dbh};
    my $mine = "IN (SELECT id FROM wflows.companies WHERE slug LIKE '$o{prefix}-%')";
    $dbh->begin_work;
    $dbh->do("UPDATE wflows.flows SET active_version = NULL WHERE company_id $mine");
    $dbh->do("DELETE FROM wflows.$_ WHERE company_id $mine")
        for qw(outbox_attempts outbox webhook_events counts_pending flow_messages flow_sessions flow_responses usage_counters
            flow_versions flows api_key_addresses api_keys whatsapp_accounts data_keys);
    my $n = $dbh->do("DELETE FROM wflows.companies WHERE slug LIKE '$o{prefix}-%'");
    $dbh->commit;
    unlink glob("$o{dir}/$o{prefix}-*public");
    return $n + 0;
}

1;
