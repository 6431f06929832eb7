/* founding.pml - where the first voters come from (founding.md, failover.md "First voters").

   Modelled: N = 4 nodes, F = the founders of the proposal (node 0 coordinates), the others join. A founder takes the
   proposal to its disk; whoever sees that every founder has it, or that one is initialised, stores the cluster id and the
   founders IN ONE WRITE; a joiner stores the id alone. The election begins when the id is there: a config of its own
   disk, else the one derived from the founders (the three lowest, or the lowest alone), else none. The derived config is not
   stored by itself: after a crash it is derived again. Newer configs reach anyone who has begun. Crash between any two
   steps, CR times, restart from disk. K changes of one member, each from a config that a quorum of it holds.
   Abstracted: terms and votes (reconf.pml; a number that only grows orders the configs), how founders agree on ONE proposal
   (ADR 0010: here there is one), lost disks (a new uid: a joiner), time.
   A config is in force when a quorum of it holds it as its newest.
   Properties: P1 two configs in force never have disjoint quorums.
               P2 when all nodes are initialised and have begun and nothing is left to write, somebody has a config.
   Mutants: M_INVENT  a joiner makes a config of itself alone
            M_SEEN  the config is derived from the nodes one sees, not from the record
            M_TWOWRITES  id first, founders in a second write: a crash in between leaves nobody with a config (P2)
            M_ANYQUORUM  a change without a quorum that holds the present config
   Run: spin -a founding.pml && gcc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan
   Expected: 0 errors for F = 1, 3, 7, 15; mutants: assertion violated. */
#define N 4
#ifndef F
#define F 7
#endif
#ifndef CR
#define CR 2
#endif
#ifndef K
#define K 2
#endif
#define BIT(a) (1 << (a))
#define IN(a, mm) (((mm) >> (a)) & 1)
#define POP(mm) (((mm) & 1) + (((mm) >> 1) & 1) + (((mm) >> 2) & 1) + (((mm) >> 3) & 1))
#define Q(mm) (POP(mm) / 2 + 1)
#define FIRST (POP(F) == 4 -> 7 : (POP(F) == 3 -> F : 1))     /* node 0 is the lowest of every F used here */
#define HELD(v, mm) (POP((((cv[0] == (v)) && (cm[0] == (mm))) + 2 * ((cv[1] == (v)) && (cm[1] == (mm))) + \
   4 * ((cv[2] == (v)) && (cm[2] == (mm))) + 8 * ((cv[3] == (v)) && (cm[3] == (mm)))) & (mm)) >= Q(mm))
#ifdef M_ANYQUORUM
#define COMMITTED(n) true
#else
#define COMMITTED(n) HELD(cv[n], cm[n])
#endif
#define ONPROP(n) (prop[n] || cid[n])
#define pick(y) if :: y = 0 :: y = 1 :: y = 2 :: y = 3 fi
bool prop[N], cid[N], fnd[N], later[N], begun[N], disk[N];   /* disk: the config is in election.db */
byte cv[N], cm[N];
byte crashes, changes, last = 1;
byte i, j, a, b, c, x;
/* Smallest share that a quorum of `mm` must have in what both have in common. */
#define NEED(mm) ((Q(mm) + POP(c) > POP(mm)) -> (Q(mm) + POP(c) - POP(mm)) : 0)

inline check() {
  i = 0; do :: i < N -> a = cm[i];
     if :: a != 0 && HELD(cv[i], a) ->
          j = i + 1; do :: j < N -> b = cm[j];
             if :: b != 0 && HELD(cv[j], b) -> c = a & b; assert(NEED(a) + NEED(b) > POP(c)) :: else fi; j++
             :: else -> break od
        :: else fi; i++
     :: else -> break od; i = 0; j = 0; a = 0; b = 0; c = 0;
  /* P2 */
  if :: begun[0] && begun[1] && begun[2] && begun[3] && (later[0] + later[1] + later[2] + later[3] == 0) ->
        assert((cm[0] | cm[1] | cm[2] | cm[3]) != 0) :: else fi }
inline store(n) { cid[n] = 1;
#ifdef M_TWOWRITES
   if :: prop[n] -> later[n] = 1 :: else fi;
#else
   fnd[n] = prop[n];
#endif
   prop[n] = 0 }

active proctype P() {
 do
 /* a founder takes the proposal; the coordinator makes it */
 :: atomic { pick(x); if :: IN(x, F) && !prop[x] && !cid[x] && (x == 0 || prop[0] || cid[0]) -> prop[x] = 1 :: else fi; x = 0 }
 /* every founder has it on disk: this founder founds */
 :: atomic { pick(x); if :: prop[x] && ((ONPROP(0) + 2 * ONPROP(1) + 4 * ONPROP(2) + 8 * ONPROP(3)) & F) == F -> store(x) :: else fi; x = 0 }
 /* sees an initialised node: joins; with the founders if it held that proposal */
 :: atomic { pick(x); if :: !cid[x] && (cid[0] || cid[1] || cid[2] || cid[3]) && (prop[x] || !IN(x, F)) -> store(x)
        :: else fi; x = 0 }
#ifdef M_TWOWRITES
 :: atomic { pick(x); if :: later[x] -> fnd[x] = 1; later[x] = 0 :: else fi; x = 0 }
#endif
 /* the election begins */
 :: atomic { pick(x); if :: cid[x] && !begun[x] && !later[x] ->
        begun[x] = 1;
        if :: disk[x] -> skip
           :: else -> cm[x] = 0; cv[x] = 0;
#ifdef M_SEEN
              a = BIT(x); if :: a = a | 1 :: a = a | 2 :: a = a | 4 :: a = a | 6 :: a = a | 12 fi;
              cm[x] = (POP(a) >= 3 -> a : ((a & 1) -> 1 : ((a & 2) -> 2 : ((a & 4) -> 4 : 8)))); cv[x] = 1; a = 0
#else
              if :: fnd[x] -> cm[x] = FIRST; cv[x] = 1
#ifdef M_INVENT
                 :: !fnd[x] -> cm[x] = BIT(x); cv[x] = 1
#endif
                 :: else fi
#endif
        fi; check()
      :: else fi; x = 0 }
 /* a newer config passed on, from a disk to a disk; or the own one stored with a vote */
 :: atomic { pick(x); pick(j); if
      :: x != j && begun[x] && begun[j] && cm[j] != 0 && disk[j] && cv[j] > cv[x] -> cm[x] = cm[j]; cv[x] = cv[j]; disk[x] = 1
      :: x == j && begun[x] && cm[x] != 0 -> disk[x] = 1
      :: else fi; j = 0; check(); x = 0 }
 /* a leader changes one member */
 :: atomic { pick(x); pick(j); if :: begun[x] && disk[x] && IN(x, cm[x]) && changes < K && (cm[x] ^ BIT(j)) != 0 && COMMITTED(x) ->
        last++; cv[x] = last; cm[x] = cm[x] ^ BIT(j); changes++
      :: else fi; j = 0; check(); x = 0 }
 /* crash: what is not on disk is gone */
 :: atomic { pick(x); if :: crashes < CR && (cid[x] || prop[x]) -> crashes++; begun[x] = 0; later[x] = 0;
        if :: !disk[x] -> cm[x] = 0; cv[x] = 0 :: else fi
      :: else fi; x = 0 }
 od }
