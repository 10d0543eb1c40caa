#!/usr/bin/perl
# /companies/{id}/audit-logs: what was done, page by page and as a stream, and nobody else's.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use HTTP::Tiny;
use Test::More;
use Time::HiRes qw(time);
use Wflows::Api;
use Wflows::Process qw(read_file);
use Wflows::Test qw(errlog_ok need start_stack);

need('pg', 'redis', 'httpd');
my $rows = $ENV{WF_TEST_AUDIT_ROWS} // 20_000; # 1000000: the figures of docs and issues
my $stack = start_stack();
my $json = Cpanel::JSON::XS->new->utf8;
my $root = $stack->pg->dbh('postgres', $stack->secret('pg-superuser'), 'wflows');
my ($acme, $other) = map { $stack->ctl('company', 'add', $_, '--name', $_, '--plan', 'enterprise')->{id} } qw(acme other);
$stack->ctl('company', 'set', 'acme', '--name', '=HYPERLINK("x")');
my $platform = Wflows::Api->new($stack);
my $admin = $platform->as(role => 'admin', company => $acme);
my $path = "/companies/$acme/audit-logs";

# ---- the list --------------------------------------------------------------------------------------------------

my $r = $admin->get($path);
is($r->{status}, 200, 'an admin reads the list');
is_deeply([map { $_->{action} } @{ $r->{json}{data} }], ['company.updated', 'company.created'], 'newest first');
my ($row) = @{ $r->{json}{data} };
is($row->{new_values}{name}, '=HYPERLINK("x")', 'with what was changed');
like($row->{actor}, qr/^wflowsctl:/, 'and who did it');
is($row->{seq}, 2, 'and its place in the chain');
is($admin->get("$path/$row->{id}")->{json}{hash}, $row->{hash}, 'a row alone');
is($admin->get("$path/$acme")->{status}, 404, 'one that is not there');
is($platform->get($path)->{status}, 200, 'the platform reads it');
is($platform->as(role => 'admin', company => $other)->get($path)->{status}, 404, 'another company sees no such thing');
is($platform->as(role => 'admin', company => $other)->get("/companies/$other/audit-logs/$row->{id}")->{status}, 404, 'not even a row by its id');
is($platform->as_nobody->get($path)->{status}, 401, 'nobody gets in');

sub actions { my ($r) = @_; return join(' ', map { $_->{action} } @{ $r->{json}{data} }) }
is(actions($admin->get($path, query => { action => 'company.created' })), 'company.created', 'a filter by action');
is(actions($admin->get($path, query => { actor => $row->{actor}, resource_type => 'company', resource_id => $acme, sort => 'created_at' })),
    'company.created company.updated', 'by actor and resource, the other way round');
is(actions($admin->get($path, query => { from => $row->{created_at} })) . '|' . actions($admin->get($path, query => { to => '2020-01-01' })),
    'company.updated|', 'by time');
is(Wflows::Api::pointers($admin->get($path, query => { from => 'x', limit => 0, color => 'red' })), '?color', 'unknown parameters are refused');
is(Wflows::Api::pointers($admin->get($path, query => { from => 'x', limit => 0 })), '?from ?limit', 'and wrong values named');
my $first = $admin->get($path, query => { limit => 1 })->{json};
is(actions({ json => $first }) . ' ' . actions($admin->get($path, query => { limit => 1, cursor => $first->{next_cursor} })),
    'company.updated company.created', 'page by page');

is_deeply($platform->get('/audit-logs')->{json}{data}, [], 'the platform has its own list');

# ---- the stream ----------------------------------------------------------------------------------------------------

$r = $admin->get("$path/export", query => { format => 'csv', sort => 'created_at' });
my @lines = split(/\r\n/, $r->{body});
like($lines[0], qr/^seq,created_at,actor,/, 'CSV has a head');
is(scalar @lines, 3, 'and a line for each row');
is($platform->get($path)->{json}{data}[0]{new_values}{name}, '=HYPERLINK("x")', 'a value that a spreadsheet would take for a formula');
unlike($r->{body}, qr/(?:^|,)"?[=+\@-]/m, 'begins no field');
$r = $admin->get("$path/export", headers => { accept => 'application/x-ndjson' });
is_deeply([map { $json->decode($_)->{seq} } split(/\n/, $r->{body})], [2, 1], 'NDJSON has an object for each row');
is($admin->get("$path/export", query => { format => 'xml' })->{status}, 422, 'no other format');

# ---- who is refused --------------------------------------------------------------------------------------------------

is($platform->as(role => $_, company => $acme)->get($path)->{status}, 403, "$_ does not read it") for qw(gestor gestor operador leitura);
is($platform->as(role => 'gestor', company => $acme)->get("$path/export")->{status}, 403, 'nor export it');
is($admin->get('/audit-logs')->{status}, 403, 'the platform\'s rows are not a company\'s');
is(join(' ', sort map { "$_->{actor}/$_->{resource_id}" } @{ $admin->get($path, query => { action => 'access.denied' })->{json}{data} }),
    'token:test-admin/audit_platform_list token:test-gestor/audit_export token:test-gestor/audit_list'
        . ' token:test-leitura/audit_list token:test-operador/audit_list', 'a refusal is in the log, once a minute for each');

# ---- many -----------------------------------------------------------------------------------------------------------

for (my $n = 0; $n < $rows; $n += 2000) {
    $root->do(q{insert into wflows.audit_logs (company_id, id, actor, action, resource_type, resource_id, ip_address, new_values)
        select ?, gen_random_uuid(), 'user:' || n, 'flow.updated', 'flow', gen_random_uuid()::text, '192.0.2.1', json_build_object('name', 'flow ' || n)
        from generate_series(1, 2000) n}, undef, $acme);
}
$root->do('analyze wflows.audit_logs');

my $all = $root->selectrow_array('select count(*) from wflows.audit_logs where company_id = ?', undef, $acme);

sub memory { # of the largest child, in kB
    my @kb = sort { $b <=> $a } map { (read_file("/proc/$_/status") =~ /VmRSS:\s+(\d+)/)[0] // 0 } $stack->httpd->children;
    return $kb[0];
}

for my $format ('ndjson', 'csv') {
    my $before = memory();
    my ($start, $begun, $bytes, $lines, $most) = (time, undef, 0, 0, 0);
    my $got = HTTP::Tiny->new(timeout => 120)->get($stack->httpd->url("/api/v2$path/export?format=$format"), {
        headers => { authorization => "Bearer $admin->{token}" },
        data_callback => sub {
            $begun //= time - $start;
            $bytes += length $_[0];
            $lines += $_[0] =~ tr/\n//;
            $most = memory() if $bytes % 50 == 0 || !$most;
        } });
    my $took = time - $start;
    my $grown = ($most > memory() ? $most : memory()) - $before;
    is($got->{status}, 200, "$format of $rows rows");
    is($lines, $all + ($format eq 'csv' ? 1 : 0), "$format: all of them");
    cmp_ok($begun, '<', 1, sprintf('%s: it begins at once (%.3f s)', $format, $begun));
    # AddressSanitizer keeps what is freed for a while.
    cmp_ok($grown, '<', $ENV{WF_TEST_PRELOAD} ? 400_000 : 32_768, "$format: in constant memory (${grown} kB more)");
    diag(sprintf('%s: %d rows, %.1f MB in %.1f s, first byte after %.0f ms, %d kB more memory', $format, $lines, $bytes / 1e6, $took, $begun * 1000, $grown));
}

my $page_time = sub { my ($which, %query) = @_; my $start = time; $which->get($path, query => { limit => 20, %query }) for 1 .. 20; return (time - $start) / 20 };
my $last = $root->selectrow_array(q{select encode(convert_to('created_at' || chr(10) || id || chr(10) || wflows.time_us(created_at), 'UTF8'), 'base64')
    from wflows.audit_logs where company_id = ? and seq = ?}, undef, $acme, int($rows * 0.9));
$last =~ tr{+/\n=}{-_}d;
my ($near, $far) = ($page_time->($admin, sort => 'created_at'), $page_time->($admin, sort => 'created_at', cursor => $last));
cmp_ok($far, '<', $near * 3 + 0.005, sprintf('a page far behind costs what the first does (%.1f and %.1f ms)', $far * 1000, $near * 1000));

errlog_ok($stack);
done_testing;
