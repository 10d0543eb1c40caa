#!/usr/bin/perl
# The outbox in SQL: who gets which rows, for how long, and what becomes of them.

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
my $nil = '00000000-0000-0000-0000-000000000000';

my $pg = Wflows::Postgres->new(dir => tempdir('wflows-outbox-XXXXXX', TMPDIR => 1, CLEANUP => 1),
    password => 'super', settings => { fsync => 'off' });
$pg->start;
my $main = $$;
END { if ($$ == $main) { my $status = $?; $pg->stop if $pg; $? = $status } }

$pg->dbh('postgres', 'super', 'postgres')->do("create role wf_owner login createrole password 'owner'");

# A new database, entered as its superuser.
sub database {
    my ($name) = @_;
    $pg->dbh('postgres', 'super', 'postgres')->do("create database $name owner wf_owner");
    my $owner = $pg->dbh('wf_owner', 'owner', $name);
    local $SIG{__WARN__} = sub { };
    $owner->do(read_file($_)) for sort glob("$src/schema/*.sql");
    return $pg->dbh('postgres', 'super', $name);
}

my $root = database('wf');
$root->do("alter role wflows_app password 'app'");
sub app { return $pg->dbh('wflows_app', 'app', $_[0] // 'wf') }
my $app = app();

# ---- helpers ----------------------------------------------------------------------------------------------

sub uuid { return sprintf('00000000-0000-7000-8000-%012d', $_[0]) }

sub company {
    my ($n) = @_;
    $root->do('insert into wflows.companies (id, name, slug, display_name) values (?, ?, ?, ?)', undef, uuid($n), 'N', "slug-$n", 'D');
    $root->do('insert into wflows.whatsapp_accounts (company_id, id, name, display_name, phone_number_id, callback_webhook_url)
        values (?, ?, ?, ?, ?, ?)', undef, uuid($n), uuid($n), 'a', 'A', 5_000_000 + $n, "http://c$n.example/");
    return uuid($n);
}

my $serial = 0;
sub put {
    my ($n, $count) = @_;
    $root->do(q{insert into wflows.outbox (company_id, id, consumer, account_id, event_type, payload, idempotency_key)
        values (?, gen_random_uuid(), 'callback', ?, 'flow_completed', '{}', ?)}, undef, uuid($n), uuid($n), 'k' . ++$serial) for 1 .. $count;
}

# { rows => [hash, …], next => [company, endpoint] }
sub claim {
    my ($lease, %o) = @_;
    my $rows = ($o{dbh} // $app)->selectall_arrayref('select * from wflows.outbox_claim(?, ?, ?, ?, ?, ?, ?, ?)', { Slice => {} },
        $o{consumer} // 'callback', $lease, $o{ms} // 60_000, $o{max} // 100, $o{each} // 8, @{ $o{after} // [$nil, $nil] }, $o{skip} // []);
    my $end = pop @$rows;
    return { rows => $rows, next => [$end->{company_id}, $end->{endpoint}] };
}

sub share { my %n; $n{ 0 + substr($_->{company_id}, -6) }++ for @{ $_[0]{rows} }; return \%n }

sub finish {
    my ($lease, $outcome, $row, $next_us) = @_;
    return $app->selectcol_arrayref('select wflows.outbox_finish(?::text[])', undef,
        [$row->{company_id}, $row->{id}, $lease, $outcome, $next_us, '1700000000000000', 12, 200, undef, 'b2s=']);
}

sub state_of { return $root->selectrow_hashref('select * from wflows.outbox where id = ?', undef, $_[0]{id}) }
sub clean { $root->do('delete from wflows.outbox') }

company($_) for 1 .. 6;

# ---- adding -------------------------------------------------------------------------------------------------

{
    my $add = sub {
        $app->begin_work;
        $app->do(q{select set_config('app.tenant_id', ?, true)}, undef, uuid($_[0]));
        my ($new) = $app->selectrow_array(q{select wflows.outbox_add(?, 'callback', ?, 'flow_completed', ?, '{"a": 1}')}, undef, uuid($_[0]), uuid($_[0]), $_[1]);
        $app->commit;
        return $new;
    };
    ok($add->(1, 'event-1'), 'a row is put in');
    ok(!$add->(1, 'event-1'), 'once for each key');
    ok($add->(2, 'event-1'), 'of each company');
    my ($row) = grep { $_->{company_id} eq uuid(1) } @{ claim('l')->{rows} };
    is($row->{payload}, '{"a": 1}', 'a claim brings the payload as it was');
    is($row->{url}, 'http://c1.example/', 'and the URL');
    is($row->{timeout_ms}, 5000, 'and the timeout');
    clean();
}

# ---- fairness -------------------------------------------------------------------------------------------------

put(1, 200);
put($_, 3) for 2 .. 5;
my $got = claim('fair', max => 100);
is_deeply(share($got), { 1 => 8, 2 => 3, 3 => 3, 4 => 3, 5 => 3 }, 'a noisy company gets its share and no more');
is(scalar @{ claim('none', skip => [uuid(1) . '/' . uuid(1)])->{rows} }, 0, 'an endpoint that is passed by gets nothing');
clean();
put($_, 20) for 1 .. 5;
my (@turns, @after);
for (1 .. 5) {
    my $turn = claim("turn-$_", max => 8, @after ? (after => \@after) : ());
    @after = @{ $turn->{next} };
    push @turns, keys %{ share($turn) };
}
is_deeply([sort @turns], [1 .. 5], 'small claims go round, one endpoint after the other');
clean();

put($_, 2) for 1 .. 6;
$root->do(q{update wflows.companies set status = 'suspended' where id = ?}, undef, uuid(2));
$root->do(q{update wflows.whatsapp_accounts set status = 'inactive' where id = ?}, undef, uuid(3));
$root->do(q{update wflows.whatsapp_accounts set callback_disabled_at = now() where id = ?}, undef, uuid(4));
$root->do(q{update wflows.companies set deleted_at = now(), status = 'inactive' where id = ?}, undef, uuid(5));
is_deeply(share(claim('active')), { 1 => 2, 6 => 2 }, 'what is suspended, inactive, switched off or deleted waits');
$root->do(q{update wflows.companies set status = 'active', deleted_at = null});
$root->do(q{update wflows.whatsapp_accounts set status = 'active', callback_disabled_at = null});
is_deeply(share(claim('again')), { 2 => 2, 3 => 2, 4 => 2, 5 => 2 }, 'until it is not');
clean();

# ---- leases ---------------------------------------------------------------------------------------------------

put(1, 1);
my ($row) = @{ claim('first')->{rows} };
is(scalar @{ claim('second')->{rows} }, 0, 'a row on lease is nobody else\'s');
my $lasts = sub { return sprintf('%.0f', $root->selectrow_array('select extract(epoch from lease_until - now()) from wflows.outbox') / 5) * 5 };
is($lasts->(), 65, 'for the account\'s timeout and the lease');
$root->do(q{update wflows.whatsapp_accounts set callback_timeout = 60000 where id = ?}, undef, uuid(1));
$root->do(q{update wflows.outbox set lease_until = now() - interval '1 second'});
my ($same) = @{ claim('second')->{rows} };
is($same->{id}, $row->{id}, 'when that has run out it is claimed again, the same row');
is($lasts->(), 120, 'for longer where the timeout is longer');
is_deeply(finish('first', 'done', $row), [0], 'whoever lost the lease finishes nothing');
is(state_of($row)->{status}, 'leased', 'and the row is untouched');
is($root->selectrow_array('select count(*) from wflows.outbox_attempts'), 0, 'without an attempt');
$app->do('select wflows.outbox_release(?::text[])', undef, [uuid(1), $row->{id}, 'first']);
is(state_of($row)->{status}, 'leased', 'nor gives it back');
is_deeply(finish('second', 'retry', $row, sprintf('%d', (time + 3600) * 1e6)), [], 'who has it, does');
is_deeply([@{ state_of($row) }{qw(status due attempts)}], ['pending', 0, 1], 'it waits');
is(scalar @{ claim('third')->{rows} }, 0, 'until its time');
$root->do(q{update wflows.outbox set next_attempt_at = now()});
is(scalar @{ claim('third')->{rows} }, 1, 'has come');
$app->do('select wflows.outbox_release(?::text[])', undef, [uuid(1), $row->{id}, 'third']);
is_deeply([@{ state_of($row) }{qw(status due attempts)}], ['pending', 1, 1], 'given back it is due at once and no attempt is counted');
claim('fourth');
finish('fourth', 'dead', $row);
is_deeply([@{ state_of($row) }{qw(status attempts)}], ['dead', 2], 'the end');
is($root->selectrow_array(q{select string_agg(attempt || ':' || convert_from(response_body, 'UTF8'), ',' order by attempt) from wflows.outbox_attempts}),
    '1:ok,2:ok', 'every attempt is kept');
$app->begin_work;
$app->do(q{select set_config('app.tenant_id', ?, true)}, undef, uuid(1));
is($app->selectrow_array('select wflows.outbox_replay(?, ?)', undef, uuid(1), [$row->{id}]), 1, 'it can be sent again');
$app->commit;
my ($replayed) = @{ claim('fifth')->{rows} };
is_deeply([@$replayed{qw(attempts attempts_before)}], [2, 2], 'with the whole schedule before it');
clean();

$root->do(q{insert into wflows.outbox (company_id, id, consumer, event_type, payload, idempotency_key, next_attempt_at)
    values (?, gen_random_uuid(), 'cache', 'x', '{}', 'later', now() + interval '10 s')}, undef, uuid(1));
is($root->selectrow_array('select due from wflows.outbox'), 0, 'what is put in for later is not due');
clean();

# ---- several at once --------------------------------------------------------------------------------------------

put($_, 100) for 1 .. 6;
my @pids;
for my $worker (1 .. 4) {
    my $pid = fork() // die "fork: $!";
    if (!$pid) {
        $_->{InactiveDestroy} = 1 for $app, $root;
        my $dbh = app();
        my @after = ($nil, $nil);
        for my $n (1 .. 200) {
            my $c = claim("w$worker-$n", dbh => $dbh, max => 20, after => [@after]);
            @after = @{ $c->{next} };
            last if !@{ $c->{rows} };
            $dbh->selectcol_arrayref('select wflows.outbox_finish(?::text[])', undef,
                [map { ($_->{company_id}, $_->{id}, "w$worker-$n", 'done', undef, '1700000000000000', 1, 200, undef, undef) }
                    sort { $a->{company_id} cmp $b->{company_id} } @{ $c->{rows} }]);
        }
        require POSIX;
        POSIX::_exit(0);
    }
    push @pids, $pid;
}
waitpid($_, 0) for @pids;
is($root->selectrow_array(q{select count(*) from wflows.outbox where status = 'done' and attempts = 1}), 600, 'four workers do all the work');
is($root->selectrow_array('select count(*) from wflows.outbox_attempts'), 600, 'and each row once');

is_deeply([$app->selectrow_array(q{select depth from wflows.outbox_depth('callback')})], [0], 'nothing is left');

put(1, 3);
$root->do(q{update wflows.outbox set next_attempt_at = now() - interval '40 seconds' where status = 'pending'});
my ($depth, $age) = $app->selectrow_array(q{select depth, extract(epoch from now()) - oldest_due_us / 1e6 from wflows.outbox_depth('callback')});
is($depth, 3, 'the depth is known');
ok($age > 39 && $age < 60, 'and how late we are');

# ---- plans ------------------------------------------------------------------------------------------------------

# A connection's plans are made while the tables are empty, and nobody has analyzed them: they must do for full ones.
# Counted are pages, of everything that a statement's functions do.
my $fresh;
sub pages {
    my ($sql, @values) = @_;
    my $plan = $fresh->selectcol_arrayref("explain (analyze, buffers, timing off) $sql", undef, @values);
    my ($line) = grep { /Buffers:/ } @$plan;
    my $n = 0;
    $n += $1 while $line =~ /(?:hit|read)=(\d+)/g;
    return $n;
}
sub claim_and_finish {
    my ($lease) = @_;
    my $claim = pages(q{select * from wflows.outbox_claim('callback', ?, 60000, 8, 8, ?, ?, '{}')}, $lease, $nil, $nil);
    my $ids = $root->selectcol_arrayref('select id from wflows.outbox where lease_owner = ?', undef, $lease);
    is(scalar @$ids, 8, "$lease: 8 rows are claimed");
    my $finish = pages('select wflows.outbox_finish(?::text[])',
        [map { (uuid(1), $_, $lease, 'done', undef, '1700000000000000', 1, 200, undef, undef) } @$ids]);
    return ($claim, $finish);
}
for my $name (qw(fresh emptied)) {
    $root = database($name);
    company(1);
    if ($name eq 'emptied') { # and looked at by VACUUM since
        put(1, 500);
        clean();
        $root->do('vacuum (analyze) wflows.outbox');
    }
    $fresh = app($name);
    $root->do('alter table wflows.outbox set (autovacuum_enabled = off)');
    put(1, 64);
    claim_and_finish("$name-$_") for 1 .. 7; # a connection's first reads are of catalogues
    my @few = claim_and_finish("$name-few");
    $root->do(q{insert into wflows.outbox (company_id, id, consumer, account_id, event_type, payload, idempotency_key)
        select ?, gen_random_uuid(), 'callback', ?, 'flow_completed', '{}', 'p' || n from generate_series(1, 5000) n}, undef, uuid(1), uuid(1));
    my @full = claim_and_finish("$name-full");
    cmp_ok($full[$_], '<', 2 * $few[$_], "a table that was $name, " . (qw(claim finish))[$_]
        . ": 8 of 5000 rows take hardly more pages ($full[$_]) than 8 of 8 ($few[$_])") for 0, 1;
}

done_testing;
