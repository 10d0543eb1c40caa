package Wflows::ApiLoad;

# Load on /api/v2 for bench/run api: one resource, a page of a short and of a long list, an export, and wrong API keys
# while the flow endpoint works. With a company of its own, which Wflows::Companies makes and removes.

use strict;
use warnings;

use Cpanel::JSON::XS ();
use HTTP::Tiny;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);
use Wflows::Companies;
use Wflows::Process qw(find_tool);

use constant { PREFIX => 'api', SHORT => 100 };

my $json = Cpanel::JSON::XS->new->utf8->canonical;

sub new {
    my ($class, $bench) = @_;
    my $self = bless { bench => $bench, http => HTTP::Tiny->new(timeout => 60), demo => $bench->{demo} }, $class;
    die "bench/run: demo.json has no platform_token\n" unless $self->{demo}{platform_token};
    Wflows::Companies::make($bench->companies_are, count => 1, prefix => PREFIX);
    ($self->{id}) = $bench->dbh->selectrow_array('SELECT id FROM wflows.companies WHERE slug = ? AND deleted_at IS NULL',
        undef, Wflows::Companies::slug(0, PREFIX));
    $self->{path} = "/api/v2/companies/$self->{id}";
    $self->_make_key;
    return $self;
}

sub _make_key {
    my ($self) = @_;
    my $r = $self->{http}->post("$self->{demo}{base_url}$self->{path}/api-keys", {
        headers => { authorization => "Bearer $self->{demo}{platform_token}", 'content-type' => 'application/json' },
        content => $json->encode({ name => 'bench ' . time, scopes => ['read:companies', 'read:audit'], rate_limit_per_minute => 1_000_000 }) });
    die "bench/run: no API key was made: $r->{status} $r->{content}\n" unless $r->{status} == 201;
    my $made = $json->decode($r->{content});
    ($self->{key}) = grep { defined && !ref && /^wfk_/ } values %$made or die "bench/run: the answer has no key: @{[sort keys %$made]}\n";
    ($self->{lookup}) = $self->{key} =~ /^wfk_([^_]+)_/;
    # Checked once before the load: only so many checks of one key are made at a time.
    $r = $self->{http}->get("$self->{demo}{base_url}$self->{path}", { headers => { 'x-api-key' => $self->{key} } });
    die "bench/run: the API key does not work: $r->{status} $r->{content}\n" unless $r->{status} == 200;
}

# ---- speed ------------------------------------------------------------------------------------------------

sub speed {
    my ($self, $path) = @_;
    local $ENV{WF_BENCH_KEY} = $self->{key};
    return $self->{bench}->drive("GET $path", 'get.lua', "$self->{path}$path");
}

# Rows as they come from a year of changes, so many in all. Their chain of hashes is left out: it is made by a trigger, and
# would take longer than everything that is measured.
sub audit_rows {
    my ($self, $count) = @_;
    my $dbh = $self->{bench}->dbh;
    $dbh->do('ALTER TABLE wflows.audit_logs DISABLE TRIGGER USER');
    $dbh->do(<<'SQL', undef, $self->{id}, $self->{id}, $count);
INSERT INTO wflows.audit_logs (company_id, id, actor, action, resource_type, resource_id, ip_address, user_agent, new_values,
                               created_at, seq, details_hash, hash)
SELECT ?::uuid, gen_random_uuid(), 'user:bench', 'flow.updated', 'flow', n::text, '192.0.2.1', 'bench',
       json_build_object('display_name', 'Name ' || n, 'status', 'active'), now() - n * interval '30 seconds', n,
       '\x00'::bytea, '\x00'::bytea
FROM generate_series((SELECT coalesce(max(seq), 0) + 1 FROM wflows.audit_logs WHERE company_id = ?), ?::int) n
SQL
    $dbh->do('ALTER TABLE wflows.audit_logs ENABLE TRIGGER USER');
    $dbh->do('VACUUM ANALYZE wflows.audit_logs');
    return;
}

# ---- export -----------------------------------------------------------------------------------------------

# Reads an export to its end: seconds to the first byte of its body and to the last, its rows, and how much more memory the
# children took at most meanwhile (kB).
sub export {
    my ($self, $format) = @_;
    my $before = $self->{bench}->memory->{pss};
    my ($start, $first, $rows, $most) = (time, undef, 0, 0);
    my $look = $start;
    my $r = $self->{http}->get("$self->{demo}{base_url}$self->{path}/audit-logs/export?format=$format", {
        headers => { 'x-api-key' => $self->{key} },
        data_callback => sub {
            $first //= time;
            $rows += $_[0] =~ tr/\n//;
            return if time - $look < 0.2;
            $look = time;
            my $more = $self->{bench}->memory->{pss} - $before;
            $most = $more if $more > $most;
        } });
    die "bench/run: export: $r->{status} $r->{reason}\n" unless $r->{success};
    return { first => $first - $start, seconds => time - $start, rows => $rows - ($format eq 'csv' ? 1 : 0), memory => $most };
}

# ---- wrong keys -------------------------------------------------------------------------------------------

# Runs `work` while wrong API keys come as fast as they are refused, over `connections`. What it returns.
sub under_flood {
    my ($self, $connections, $seconds, $work) = @_;
    my $pid = fork() // die "fork: $!";
    if (!$pid) {
        $ENV{WF_BENCH_LOOKUP} = $self->{lookup};
        delete $ENV{WF_BENCH_KEY};
        open(STDOUT, '>', "$self->{bench}{dir}/flood") or die $!;
        exec(find_tool('wrk'), '-t', 1, '-c', $connections, '-d', "${seconds}s", '--timeout', '10s', '-s',
            "$self->{bench}{src}/bench/get.lua", "$self->{demo}{base_url}$self->{path}") or die $!;
    }
    sleep 1;
    my @result = eval { $work->() };
    my $error = $@;
    kill 'TERM', $pid if $error;
    waitpid($pid, 0);
    die $error if $error;
    open(my $fh, '<', "$self->{bench}{dir}/flood") or die $!;
    my ($figures) = join('', <$fh>) =~ /^WFBENCH (.*)$/m or die "bench/run: the flood of wrong keys did not run\n";
    my %flood = map { split /=/ } split ' ', $figures;
    die "bench/run: $flood{bad} wrong keys were not refused\n" if $flood{bad};
    return (\%flood, @result);
}

sub stop {
    my ($self) = @_;
    my $dbh = $self->{bench}->dbh;
    $dbh->do('DELETE FROM wflows.audit_logs WHERE company_id = ?', undef, $self->{id});
    Wflows::Companies::remove($self->{bench}->companies_are, prefix => PREFIX);
    return;
}

1;
