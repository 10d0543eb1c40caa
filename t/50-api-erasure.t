#!/usr/bin/perl
# A company is erased (LGPD art. 18) while its data is in every table, in Redis and on disk: the job is killed half-way
# and goes on, nothing of the company is left but audit rows without people in them, what was sealed stays sealed, and
# the report tells what was removed.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Digest::SHA qw(sha256_hex);
use File::Path qw(make_path);
use Test::More;
use Wflows::Ctl qw(ctl_fails ctl_ok);
use Wflows::Flows qw(linear_flow);
use Wflows::Process qw(read_file wait_until write_file);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok need start_stack);

need('pg', 'redis', 'httpd');
my $media;
my $stack = do {
    my $dir = File::Temp::tempdir('wflows-erasure-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $dir;
    $media = "$dir/media";
    make_path($media, { mode => 0700 });
    chown((getpwnam('www-data'))[2, 3], $media) if $> == 0;
    start_stack(httpd => { main => "WflowsFlowMediaDir $media\n" });
};
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $mark = 'Maria-Planted';
my $phone = '5511987654321';
my $dbh = $stack->dbh;
$dbh->do('SET ROLE wflows_platform');
my $root = $stack->pg->dbh('postgres', $stack->secret('pg-superuser'), 'wflows');

# ---- a company with something everywhere --------------------------------------------------------------------------

my $flows = { plain => [linear_flow(['FIRST', 'SECOND'])] };
my $acme = Wflows::Tenant->add($stack, slug => 'acme', name => "$mark Ltda", flows => $flows,
    options => ['--email', lc("$mark\@acme.example"), '--phone', "+$phone"]);
my $other = Wflows::Tenant->add($stack, slug => 'acme-two', name => 'Other', flows => $flows);
for my $tenant ($acme, $other) {
    answers($tenant->client(flow => 'plain', token => "tok-$tenant->{slug}")->init, 'FIRST', "a session of $tenant->{slug}");
    answers($tenant->client(flow => 'plain', token => "tok-$tenant->{slug}")->exchange('FIRST', { answer => $tenant == $acme ? $mark : 'Ana' }),
        'SECOND', 'with an answer');
}

sub plant {
    my ($sql, @values) = @_;
    return $root->do($sql, undef, @values);
}
my $id = $acme->{id};
plant('insert into wflows.flow_responses (company_id, id, source, phone_number, response)
    select ?, gen_random_uuid(), ?, ?, ? from generate_series(1, 20000)', $id, 'webhook', $phone, qq({"name": "$mark"}));
plant('insert into wflows.webhook_events (company_id, id, event_type, dedup_key, payload, status)
    select ?, gen_random_uuid(), ?, n::text, ?, ? from generate_series(1, 5000) n', $id, 'message', qq({"from": "$phone"}), 'processed');
plant(q{insert into wflows.users (company_id, id, email, name, role) values (?, gen_random_uuid(), ?, ?, 'admin')}, $id, lc "$mark\@x.example", $mark);
plant(q{insert into wflows.api_keys (company_id, id, name, key_hash, key_prefix) values (?, gen_random_uuid(), ?, '$argon2id$x', 'abcdefgh')}, $id, $mark);
plant(q{insert into wflows.opt_outs (company_id, contact, source) values (?, ?, 'x')}, $id, $phone);
plant(q{insert into wflows.feature_flags (company_id, name, updated_by) values (?, 'flag', ?)}, $id, $mark);
plant(q{insert into wflows.billing_events (company_id, id, type, kind, created_at, payload) values (?, 'evt_1', 'x', 'other', now(), ?)}, $id, qq({"email": "$mark"}));
plant(q{insert into wflows.idempotency_keys (company_id, subject, key, request_hash, claim, lease_until, expires_at,
    response_body) values ('00000000-0000-0000-0000-000000000000', 's', 'k', sha256(''), gen_random_uuid(), now(), now() + interval '1 day', ?)}, qq({"id": "$id", "name": "$mark"}));
plant(q{insert into wflows.outbox (company_id, id, consumer, event_type, payload, idempotency_key, next_attempt_at)
    values (?, ?, 'callback', 'x', ?, 'k', now() + interval '1 day')}, $id, $id, qq({"name": "$mark"}));
plant(q{insert into wflows.outbox_attempts (company_id, outbox_id, attempt, error) values (?, ?, 1, ?)}, $id, $id, $mark);
plant(q{insert into wflows.media (company_id, id, source, media_id, sha256, file_name, status, file_key) values (?, ?, 'cdn', 'm', ?, ?, 'stored', 'wf1:x')},
    $id, $id, 'ab' x 32, "$mark.jpg");
$root->begin_work;
plant(q{select set_config('app.tenant_id', ?, true)}, $id);
plant(q{insert into wflows.audit_logs (company_id, id, user_id, actor, action, resource_type, resource_id, ip_address, user_agent, new_values, metadata)
    values (?, gen_random_uuid(), gen_random_uuid(), ?, 'opt_out.added', 'opt_out', ?, '203.0.113.77', ?, ?, ?)},
    $id, "sso:$mark", $phone, $mark, qq({"name": "$mark"}), qq({"contact": "$phone"})) for 1 .. 3;
$root->commit;
make_path("$media/$id");
write_file("$media/$id/$_", 'sealed', 0600) for $id, 'half.tmp';
chown((getpwnam('www-data'))[2, 3], "$media/$id") if $> == 0;

# Everything that any table holds, and everything in Redis.
sub dump_of_tables {
    my %dump;
    my $tables = $root->selectcol_arrayref(q{select relname::text from pg_class where relnamespace = 'wflows'::regnamespace and relkind = 'r'});
    $dump{$_} = join("\n", @{ $root->selectcol_arrayref("select t::text from wflows.$_ t") }) for @$tables;
    return \%dump;
}

sub dump_of_redis {
    my $redis = $stack->redis->client;
    my %read = (string => sub { $redis->get($_[0]) }, hash => sub { $redis->hgetall($_[0]) }, set => sub { $redis->smembers($_[0]) },
        list => sub { $redis->lrange($_[0], 0, -1) }, zset => sub { $redis->zrange($_[0], 0, -1) });
    my @all;
    for my $key ($redis->keys('*')) {
        my $type = $redis->type($key);
        push @all, $key, map { ref $_ ? @$_ : $_ // '' } ($read{$type} ? $read{$type}->($key) : "a $type");
    }
    return join("\n", map { $_ // '' } @all);
}

my @planted = ($mark, lc $mark, $phone, '203.0.113.77', '{acme}', 'tok-acme');
my $before = dump_of_tables();
my %holding = map { my $t = $_; (grep { index($before->{$t}, $_) >= 0 } $id) ? ($t => 1) : () } keys %$before;
cmp_ok(scalar keys %holding, '>=', 18, 'the company is in ' . join(', ', sort keys %holding));
like(dump_of_redis(), qr/\{acme\}/, 'and in Redis');

# What a backup without the data keys would have, and one with them.
my %backup = map { $_ => $root->selectall_arrayref("select * from wflows.$_ where " . ($_ eq 'companies' ? 'id' : 'company_id') . ' = ?', { Slice => {} }, $id) }
    qw(companies whatsapp_accounts data_keys);
my $chain = ctl_ok($stack, ['audit', 'verify', '--company', 'acme', '--json'], 'its audit chain holds')->{data}[0];

# ---- how it cannot be started ------------------------------------------------------------------------------------------

ctl_fails($stack, ['erase', 'acme'], 2, qr/--confirm/, 'without confirmation');
ctl_fails($stack, ['erase', 'acme', '--confirm', 'acme-two'], 5, qr/slug/, 'confirmed with another slug');
ctl_fails($stack, ['erase', 'nobody', '--confirm', 'nobody'], 4, qr/no such company/, 'of a company that is not there');
is($root->selectrow_array('select count(*) from wflows.erasures'), 0, 'nothing began');

# ---- half-way: a row that somebody holds -----------------------------------------------------------------------------------

my $holder = $stack->pg->dbh('postgres', $stack->secret('pg-superuser'), 'wflows');
$holder->begin_work;
$holder->do('select from wflows.users where company_id = ? for update', undef, $id);
ctl_ok($stack, ['erase', 'acme', '--confirm', 'acme', '--json'], 'it begins');
ctl_fails($stack, ['erase', 'acme', '--confirm', 'acme'], 6, qr/already/, 'a second time');
is($acme->client(flow => 'plain', token => 'tok-acme')->init->{status}, 403, 'its traffic has ended');
ctl_fails($stack, ['company', 'activate', 'acme'], 5, qr/status/, 'nobody takes it back');

sub erasure { return $root->selectrow_hashref('select * from wflows.erasures where company_id = ?', undef, $id) }
sub blocked { return $root->selectrow_array(q{select count(*) from pg_stat_activity where usename = 'wflows_app' and wait_event_type = 'Lock'}) }

ok(wait_until(60, \&blocked), 'the job comes to the row that is held');
my $half = $json->decode(erasure()->{removed});
is($half->{files}, 2, 'files are gone by now');
is($half->{flow_responses}, 20000, 'so are 20000 responses');
ok(!$half->{users}, 'users are not');
my @children = $stack->httpd->children;
kill 'KILL', @children;
ok(wait_until(20, sub { my %old = map { $_ => 1 } @children; grep { !$old{$_} } $stack->httpd->children }), 'httpd\'s children are killed, others come');
my $r = ctl_ok($stack, ['erase', 'show', 'acme', '--json'], 'it can be watched');
is($r->{step}, 'tables', 'half-way');
is($r->{left}{users}, 1, 'what is left by table');
is($r->{removed}{flow_responses}, 20000, 'what is removed');
ctl_fails($stack, ['erase', 'report', 'acme'], 6, qr/not done/, 'there is no report yet');
$holder->rollback;
$holder->disconnect;

ok(wait_until(90, sub { erasure()->{step} eq 'done' }), 'the erasure comes to its end') or diag(explain(erasure()));

# ---- nothing is left -----------------------------------------------------------------------------------------------------------

my $after = dump_of_tables();
for my $table (sort keys %$after) {
    my @seen = grep { index($after->{$table}, $_) >= 0 } @planted;
    is("@seen", '', "$table has nothing of the people or the company's names");
}
my %kept = map { $_ => 1 } qw(audit_logs audit_heads erasures);
is_deeply([sort grep { index($after->{$_}, $id) >= 0 } keys %$after], [sort keys %kept], 'its id stands in the audit trail and the erasure alone');
my $redis = dump_of_redis();
is(join(' ', grep { index($redis, $_) >= 0 } @planted, $id), '', 'Redis has nothing of it');
like($redis, qr/\{acme-two\}/, 'but of the other company');
ok(!-e "$media/$id", 'the folder of its files is gone');
answers($other->client(flow => 'plain', token => 'tok-acme-two')->exchange('SECOND', { answer => 'x' }), 'SUCCESS', 'the other company goes on, its session too');
is($acme->client(flow => 'plain', token => 'tok-acme')->init->{status}, 404, 'the company is unknown');

# ---- the audit trail -----------------------------------------------------------------------------------------------------------------

my $now = ctl_ok($stack, ['audit', 'verify', '--company', $id, '--json'], 'its audit chain holds still')->{data}[0];
is($now->{rows}, $chain->{rows} + 2, 'no row is missing');
is($now->{erased}, $chain->{rows} + 1, 'and all but the last are without their details');
ctl_ok($stack, ['audit', 'verify', '--company', $id, '--expect', $chain->{end}], 'it is the same chain as before');
my $rows = ctl_ok($stack, ['audit', 'list', '--company', $id, '--json'], 'its rows')->{data};
is_deeply([map { $_->{action} } @$rows[0 .. 2]], ['company.erased', 'company.erasure_requested', 'opt_out.added'], 'tell what was done');
is_deeply([@{ $rows->[2] }{qw(actor ip_address new_values erased)}], ['sso', undef, undef, Cpanel::JSON::XS::true], 'and no more than what kind of actor did it');
$root->do(q{update wflows.audit_logs set action = 'opt_out.removed' where company_id = ? and seq = ?}, undef, $id, $rows->[2]{seq});
is($stack->ctl_raw(['audit', 'verify', '--company', $id])->{rc}, 1, 'a change of such a row is found as before');
$root->do(q{update wflows.audit_logs set action = 'opt_out.added' where company_id = ? and seq = ?}, undef, $id, $rows->[2]{seq});

# ---- the report --------------------------------------------------------------------------------------------------------------------------

my $report = ctl_ok($stack, ['erase', 'report', $id], 'the report')->{out};
my $said = ctl_ok($stack, ['erase', 'verify', '--json', '-'], 'is signed', stdin => $report);
is($said->{company_id}, $id, 'it says whom it is of');
is_deeply([@{ $said->{removed} }{qw(flow_responses webhook_events users data_keys companies files)}], [20000, 5000, 1, 1, 1, 2], 'and what was removed');
cmp_ok($said->{removed}{redis_keys}, '>=', 1, 'in Redis too');
ok($said->{audit}{holds}, 'and that the audit chain holds');
is(erasure()->{requested_by}, 'wflowsctl', 'who asked for it is kept without a name');
(my $forged = $report) =~ s/^(wfs1:k1:.{20})./$1 . 'X'/e;
ctl_fails($stack, ['erase', 'verify', '-'], 7, qr/signature/, 'a report that was changed', stdin => $forged);
ctl_fails($stack, ['erase', 'verify', '-'], 5, qr/no signed/, 'something else', stdin => "hello\n");
(my $foreign = $report) =~ s/^wfs1:k1:/wfs1:k9:/;
ctl_fails($stack, ['erase', 'verify', '-'], 4, qr/k9/, 'a master key that is not there', stdin => $foreign);
is((grep { $_->{action} eq 'company.erased' && $_->{metadata}{report_sha256} eq sha256_hex($report =~ s/\s+$//r) }
    @{ ctl_ok($stack, ['audit', 'list', '--json'], 'the platform\'s audit rows')->{data} }), 1, 'name the report by its hash');

# ---- what was sealed -----------------------------------------------------------------------------------------------------------------------

sub restore {
    my ($table) = @_;
    for my $row (@{ $backup{$table} }) {
        my @columns = grep { $_ ne 'master_key_id' } sort keys %$row; # generated
        $root->do("insert into wflows.$table (" . join(', ', @columns) . ') values (' . join(', ', ('?') x @columns) . ')', undef, @$row{@columns});
    }
}
my @send = ('send', '--company', 'acme', '--base-url', 'http://127.0.0.1:1', '--flow', 'plain', 'ping');
restore('companies');
restore('whatsapp_accounts');
ctl_fails($stack, \@send, 4, qr/no app secret/, 'sealed values from a backup do not open without the data key');
restore('data_keys');
ctl_fails($stack, \@send, 9, qr/./, 'with it they would: the test can tell');

errlog_ok($stack, ignore => ['WF0731', qr/\bWF006\d\b/, qr/\bWF0502\b/]);
done_testing;
