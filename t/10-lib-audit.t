#!/usr/bin/perl
# The chain of audit rows: what an owner of the database changes behind the back of wflows is found, and where.
# `wflowsctl audit verify` computes it without the code that made it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Cpanel::JSON::XS ();
use Test::More;
use Wflows::Ctl qw(ctl_fails ctl_ok);
use Wflows::Test qw(need start_stack);

need(qw(pg redis));
my $stack = start_stack(only_stores => 1);
my $dbh = $stack->dbh; # the owner, who may do anything to the table
my $nil = '00000000-0000-0000-0000-000000000000';

# Several rows, each of its own kind.
sub company {
    my ($slug) = @_;
    my $id = ctl_ok($stack, ['company', 'add', $slug, '--name', "The $slug", '--email', "boss\@$slug.example", '--json'], "company $slug")->{id};
    ctl_ok($stack, ['company', 'set', $slug, '--name', "Name $_ ção"], "change $_ of $slug") for 1 .. 4;
    return $id;
}

sub verify { return $stack->ctl_raw(['audit', 'verify', '--json', @_]) }

sub result_of {
    my ($r) = @_;
    return Cpanel::JSON::XS->new->utf8->decode($r->{out})->{data};
}

sub holds {
    my ($slug, $rows, $name) = @_;
    my $r = verify('--company', $slug);
    is($r->{rc}, 0, $name) or diag("$r->{out}$r->{err}");
    is(result_of($r)->[0]{rows}, $rows, "$name: all rows") if defined $rows;
    return result_of($r)->[0]{end};
}

# What `code` does to the company's rows is found at `seq`; afterwards all is as it was.
sub found {
    my ($slug, $seq, $reason, $name, @sql) = @_;
    $dbh->begin_work;
    $dbh->do('create table wflows.kept as select * from wflows.audit_logs');
    $dbh->do('create table wflows.kept_heads as select * from wflows.audit_heads');
    $dbh->commit;
    $dbh->do($_) for @sql;
    my $r = verify('--company', $slug);
    is($r->{rc}, 1, "$name: is found") or diag("$r->{out}$r->{err}");
    my $row = result_of($r)->[0];
    is($row->{broken_seq}, $seq, "$name: at the row");
    like($row->{reason} // '', $reason, "$name: and why");
    is(verify()->{rc}, 1, "$name: by a check of all companies too");
    $dbh->begin_work;
    $dbh->do('alter table wflows.audit_logs disable trigger audit_chain');
    $dbh->do('delete from wflows.audit_logs');
    $dbh->do('insert into wflows.audit_logs select * from wflows.kept');
    $dbh->do('delete from wflows.audit_heads');
    $dbh->do('insert into wflows.audit_heads select * from wflows.kept_heads');
    $dbh->do('drop table wflows.kept, wflows.kept_heads');
    $dbh->do('alter table wflows.audit_logs enable trigger audit_chain');
    $dbh->commit;
    holds($slug, undef, "$name: put right it holds again");
    return;
}

my $acme = company('acme');
my $other = company('other');
holds('acme', 5, 'a chain that nobody touched holds');
my $all = result_of(verify());
is_deeply([sort map { $_->{company} } @$all], ['acme', 'other'], 'all chains are checked without --company');
is_deeply([map { $_->{ok} ? 1 : 0 } @$all], [1, 1], 'and hold');

# ---- by an implementation of its own ---------------------------------------------------------------------------

{
    my $text = sub { join(',', map { defined ? length($_) . ":$_" : '-' } @_) };
    my $rows = $dbh->selectall_arrayref(q{select seq::text, id::text, (extract(epoch from created_at) * 1000000)::bigint::text as us,
        actor, user_id::text, resource_id, ip_address, user_agent, request_id, old_values::text, new_values::text, metadata::text,
        action, resource_type, encode(salt, 'hex') as salt, encode(details_hash, 'hex') as details, encode(hash, 'hex') as hash
        from wflows.audit_logs where company_id = ? order by seq}, { Slice => {} }, $acme);
    my $before = "\0" x 32;
    my @bad;
    for my $row (@$rows) {
        my %r = map { my $v = $row->{$_}; utf8::encode($v) if defined $v; ($_ => $v) } keys %$row;
        my $details = sha256_hex(pack('H*', $r{salt})
                . $text->(@r{qw(actor user_id resource_id ip_address user_agent request_id old_values new_values metadata)}));
        my $hash = sha256_hex($before . $text->('wfa1', $acme, @r{qw(seq id us)}, $r{actor} =~ s/:.*//sr, @r{qw(action resource_type)}, $details));
        push @bad, $r{seq} if $details ne $r{details} || $hash ne $r{hash};
        $before = pack('H*', $hash);
    }
    is(scalar @$rows, 5, 'rows');
    is_deeply(\@bad, [], 'the documented form gives the same hashes in Perl');
    is(scalar keys %{ { map { $_->{salt} => 1 } @$rows } }, 5, 'each row has a salt of its own');
}

# ---- what an owner may try -----------------------------------------------------------------------------------------

my $of = "where company_id = '$acme' and seq";
found('acme', 3, qr/details/, "a changed $_->[0]", "update wflows.audit_logs set $_->[1] $of = 3")
    for ['actor', q{actor = 'wflowsctl:nobody'}], ['address', q{ip_address = '192.0.2.1'}], ['new value', q{new_values = '{"name": "x"}'}],
    ['old value that is taken away', 'old_values = null'], ['metadata', q{metadata = '{}'}], ['user', 'user_id = gen_random_uuid()'],
    ['resource', q{resource_id = 'x'}], ['request id', q{request_id = 'x'}], ['user agent', q{user_agent = 'x'}];
found('acme', 3, qr/follow/, "a changed $_->[0]", "update wflows.audit_logs set $_->[1] $of = 3")
    for ['action', q{action = 'company.seen'}], ['time', q{created_at = created_at + interval '1 us'}], ['resource type', q{resource_type = 'x'}],
    ['id', 'id = gen_random_uuid()'];
found('acme', 2, qr/not there/, 'a deleted row', "delete from wflows.audit_logs $of = 2");
found('acme', 1, qr/not there/, 'the first one deleted', "delete from wflows.audit_logs $of = 1");
found('acme', 5, qr/not there, and those after/, 'a deleted tail', "delete from wflows.audit_logs $of >= 5");
found('acme', 5, qr/noted/, 'a tail that another row takes the place of', "delete from wflows.audit_logs $of >= 5",
    "update wflows.audit_heads set seq = 4, hash = (select hash from wflows.audit_logs $of = 4) where company_id = '$acme'",
    "insert into wflows.audit_logs (company_id, id, actor, action, resource_type) values ('$acme', gen_random_uuid(), 'x', 'a.b', 'a')",
    "update wflows.audit_heads set hash = (select hash from wflows.kept_heads where company_id = '$acme') where company_id = '$acme'");
found('acme', 1, qr/begins with a row/, 'everything deleted, with the end that was noted', "delete from wflows.audit_logs where company_id = '$acme'",
    "delete from wflows.audit_heads where company_id = '$acme'");
found('acme', 5, qr/behind the end/, 'an end that was put back',
    "update wflows.audit_heads set seq = 4, hash = (select hash from wflows.audit_logs $of = 4) where company_id = '$acme'");
found('acme', 2, qr/follow/, 'swapped rows', "update wflows.audit_logs set seq = -1 $of = 2",
    "update wflows.audit_logs set seq = 2 $of = 3", "update wflows.audit_logs set seq = 3 $of = -1");
found('acme', 3, qr/details/, 'a row whose details are gone in part', "update wflows.audit_logs set salt = null, new_values = null $of = 3");
found('acme', 3, qr/was not erased/, 'a row that is blanked as after an erasure', "update wflows.audit_logs set salt = null, user_id = null,
    resource_id = null, ip_address = null, user_agent = null, request_id = null, old_values = null, new_values = null, metadata = null,
    actor = split_part(actor, ':', 1) $of = 3");
found('acme', 6, qr/follow/, 'a row that was put in without the trigger', 'alter table wflows.audit_logs disable trigger audit_chain',
    "insert into wflows.audit_logs (company_id, id, actor, action, resource_type, seq, salt, details_hash, hash)
     select company_id, gen_random_uuid(), actor, action, resource_type, 6, '\\x00', sha256('\\x00' || wflows.audit_text(actor, null, null, null,
     null, null, null, null, null)), hash from wflows.audit_logs $of = 5", 'alter table wflows.audit_logs enable trigger audit_chain');
found('acme', 3, qr/details|follow/, 'a row of another company in its place',
    "delete from wflows.audit_logs $of = 3", "update wflows.audit_logs set company_id = '$acme' where company_id = '$other' and seq = 3");

# ---- a chain made anew ----------------------------------------------------------------------------------------------

my $end = holds('acme', 5, 'the end of the chain');
like($end, qr/^5:[0-9a-f]{64}$/, 'is printed');
ctl_ok($stack, ['audit', 'verify', '--company', 'acme', '--expect', $end], 'what an earlier run printed is still there');
ctl_ok($stack, ['company', 'set', 'acme', '--name', 'One more'], 'a change');
ctl_ok($stack, ['audit', 'verify', '--company', 'acme', '--expect', $end], 'and more rows do no harm');
$dbh->do('create table wflows.kept as select * from wflows.audit_logs where company_id = ? and seq < 5 order by seq', undef, $acme);
$dbh->do('delete from wflows.audit_logs where company_id = ?', undef, $acme);
$dbh->do('delete from wflows.audit_heads where company_id = ?', undef, $acme);
$dbh->do('insert into wflows.audit_logs select * from wflows.kept order by seq');
holds('acme', 4, 'an owner who makes the whole chain anew, with a row less, is not found by the chain');
my $r = verify('--company', 'acme', '--expect', $end);
is($r->{rc}, 1, 'but by what was noted before');
is(result_of($r)->[0]{broken_seq}, 5, 'at the row that is missing');
ctl_fails($stack, ['audit', 'verify', '--expect', $end], 2, qr/--company/, '--expect without a company');
ctl_fails($stack, ['audit', 'verify', '--company', 'acme', '--expect', '5:xyz'], 2, qr/SEQ:HASH/, '--expect with something else');
ctl_fails($stack, ['audit', 'verify', '--company', 'nobody'], 4, qr/no company 'nobody'/, 'a company that is not there');

# ---- the runtime role -----------------------------------------------------------------------------------------------

{
    my $app = $stack->pg->dbh('wflows_app', $stack->secret('pg-wflows_app'), 'wflows');
    for my $sql (q{update wflows.audit_logs set actor = 'x'}, 'delete from wflows.audit_logs', 'delete from wflows.audit_heads',
        'alter table wflows.audit_logs disable trigger audit_chain') {
        for my $role ('none', 'wflows_platform') {
            $app->begin_work;
            $app->do("set local role $role");
            $app->do(q{select set_config('app.tenant_id', ?, true)}, undef, $other);
            ok(!eval { $app->do($sql); 1 }, "as $role the server may not: $sql");
            $app->rollback;
        }
    }
    $app->begin_work;
    $app->do(q{select set_config('app.tenant_id', ?, true)}, undef, $other);
    $app->do("insert into wflows.audit_logs (company_id, id, actor, action, resource_type, seq, hash, details_hash, salt)
        values ('$other', gen_random_uuid(), 'x:y', 'a.b', 'a', 1, '\\x00', '\\x00', '\\x00')");
    $app->commit;
    holds('other', 6, 'an insert cannot choose its number or hash');
}

# ---- many at once, and memory -----------------------------------------------------------------------------------------

{
    my @pids;
    for my $worker (1 .. 4) {
        my $pid = fork() // die "fork: $!";
        if (!$pid) {
            $dbh->{InactiveDestroy} = 1;
            my $own = $stack->pg->dbh('wflows_app', $stack->secret('pg-wflows_app'), 'wflows');
            for (1 .. 50) {
                $own->begin_work;
                $own->do(q{select set_config('app.tenant_id', ?, true)}, undef, $other);
                $own->do("insert into wflows.audit_logs (company_id, id, actor, action, resource_type) values (?, gen_random_uuid(), ?, 'a.b', 'a')",
                    undef, $other, "worker:$worker");
                $_ % 7 ? $own->commit : $own->rollback;
            }
            require POSIX;
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    waitpid($_, 0) for @pids;
    holds('other', 6 + 4 * 43, 'four writers at once, with transactions that are rolled back, leave no gap');
}

$dbh->begin_work;
$dbh->do(q{select set_config('role', 'wflows_platform', true)});
$dbh->do(q{insert into wflows.audit_logs (company_id, id, actor, action, resource_type) values (?, gen_random_uuid(), 'job:x', 'platform.tested', 'platform')},
    undef, $nil);
$dbh->commit;
my ($platform) = grep { $_->{company} eq '(platform)' } @{ result_of(verify()) };
is($platform->{rows}, 1, 'the platform has a chain of its own');

# ---- list ---------------------------------------------------------------------------------------------------------------

my $list = ctl_ok($stack, ['audit', 'list', '--company', 'other', '--action', 'company.updated', '--limit', '2', '--json'], 'a list')->{data};
is_deeply([map { $_->{seq} } @$list], [5, 4], 'the newest first, so many, of one action');
is($list->[0]{new_values}{name}, "Name 4 \x{e7}\x{e3}o", 'with what was changed');
is(ctl_ok($stack, ['audit', 'list', '--json'], 'without a company')->{data}[0]{action}, 'platform.tested', 'the platform\'s own');

done_testing;
