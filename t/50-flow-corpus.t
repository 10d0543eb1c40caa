#!/usr/bin/perl
# The shared corpus: every valid flow is accepted, stored and walked from INIT to SUCCESS through the endpoint,
# and each answer is checked here against the screen's declarations; every invalid one is refused.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Test::More;
use Wflows::Tenant;
use Wflows::Test qw(corpus_dir corpus_docs errlog_ok need start_stack);

need('pg', 'redis', 'httpd', 'corpus');
my $stack = start_stack();
my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;
my $corpus = Wflows::Tenant->add($stack, slug => 'corpus');

# ---- what a phone checks (WHATSAPP.md 1.13) -----------------------------------------------------------------------

sub type_of {
    my ($v) = @_;
    return 'null' unless defined $v;
    return 'boolean' if Cpanel::JSON::XS::is_bool($v);
    return { HASH => 'object', ARRAY => 'array' }->{ ref $v } // 'string' if ref $v;
    my $flags = B::svref_2object(\$v)->FLAGS;
    return $flags & (B::SVf_IOK() | B::SVf_NOK()) && !($flags & B::SVf_POK()) ? 'number' : 'string';
}

sub misfits {
    my ($at, $declared, $value) = @_;
    my $type = $declared->{type} // return ();
    my $got = type_of($value);
    return "$at is $got, declared $type" unless $got eq $type || $type eq 'number' && $got eq 'number';
    my @found;
    if ($type eq 'array') {
        push @found, misfits("$at/$_", $declared->{items} // {}, $value->[$_]) for 0 .. $#$value;
    } elsif ($type eq 'object') {
        push @found, map { exists $value->{$_} ? misfits("$at/$_", $declared->{properties}{$_}, $value->{$_}) : () }
            sort keys %{ $declared->{properties} // {} };
    }
    return @found;
}

sub faults {
    my ($flow, $from, $answer) = @_;
    my $to = $answer->{screen} // return 'no screen';
    return 'data is no object' unless ref $answer->{data} eq 'HASH';
    return () if $to eq 'SUCCESS' && $answer->{data}{extension_message_response};
    my ($screen) = grep { $_->{id} eq $to } @{ $flow->{screens} };
    return "screen $to is not in the flow" unless $screen;
    my $routing = $flow->{routing_model};
    my @found;
    if ($routing && %$routing && defined $from && $from ne $to) {
        push @found, "no route from $from to $to" unless grep { $_ eq $to } @{ $routing->{$from} // [] };
    }
    # An empty one is ignored by the phone; some flows declare the name as their own.
    push @found, "an error_message: $answer->{data}{error_message}" if length($answer->{data}{error_message} // '');
    for my $key (sort keys %{ $screen->{data} // {} }) {
        push @found, exists $answer->{data}{$key} ? misfits("/$key", $screen->{data}{$key}, $answer->{data}{$key}) : "/$key is missing";
    }
    return @found;
}

# ---- valid flows --------------------------------------------------------------------------------------------------------

require B;
my $number = 0;
my @valid = corpus_docs('flows');
cmp_ok(scalar @valid, '>=', 50, 'the corpus has valid flows');
for my $doc (@valid) {
    my ($name, $flow) = @$doc;
    my $short = 'c' . ++$number;
    my $file = corpus_dir() . "/flows/$name";
    my $check = $stack->ctl_raw(['flow', 'check', $file]);
    is($check->{rc}, 0, "accepted: $name") or diag("$check->{out}$check->{err}") or next;
    my $added = $stack->ctl_raw(['flow', 'add', $short, '--company', 'corpus', '--flow-json', $file]);
    is($added->{rc}, 0, "stored: $name") or diag("$added->{out}$added->{err}") or next;

    my $client = $corpus->client(flow => $short, token => "walk-$short");
    my $r = $client->init;
    my ($at, @way, @faults);
    for (1 .. 110) {
        if ($r->{status} != 200 || !$r->{answer}) {
            push @faults, "status $r->{status} after @way";
            last;
        }
        push @faults, map { 'after ' . join(' > ', @way) . ": $_" } faults($flow, $at, $r->{answer});
        $at = $r->{answer}{screen} // last;
        push @way, $at;
        last if @faults || $at eq 'SUCCESS' && $r->{answer}{data}{extension_message_response};
        $r = $client->exchange($at, { step => 'number ' . scalar @way });
    }
    push @faults, "the walk does not end: @way[-3 .. -1]" if @way > 105;
    is_deeply(\@faults, [], "walked to SUCCESS: $name (" . join(' > ', @way) . ')');
    is($r->{answer}{data}{extension_message_response}{params}{flow_token}, "walk-$short", 'with its token') unless @faults;
}

# ---- invalid flows -------------------------------------------------------------------------------------------------------

for my $doc (corpus_docs('flows-invalid')) {
    my ($name, $d) = @$doc;
    next unless exists $d->{flow};
    my $text = ref $d->{flow} ? $json->encode($d->{flow}) : $d->{flow};
    my $check = $stack->ctl_raw(['flow', 'check', '-', '--json'], stdin => $text);
    my $codes = $d->{expected_error_codes} // $d->{meta_error_codes} // [];
    if ($name =~ /^derived_/ || exists $d->{corresponds_to_meta_rule} && !$d->{corresponds_to_meta_rule}) {
        # The README of the corpus: what nobody is known to refuse, and house rules of others.
        cmp_ok($check->{rc}, '<=', 1, "checked without a failure of ours: $name");
        next;
    }
    is($check->{rc}, 1, "refused: $name") or diag("$check->{out}$check->{err}");
    next unless @$codes;
    my %said = map { $_ => 1 } $check->{out} =~ /"error"\s*:\s*"([A-Z_]+)"/g;
    ok((grep { $said{$_} } @$codes), "with the right rule: $name: @$codes") or diag(join(' ', sort keys %said) . "\n$check->{out}");
}

errlog_ok($stack);
done_testing();
