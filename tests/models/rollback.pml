/* rollback.pml - a voter whose disk goes back to an older (term, vote) at a restart (failover.md "Voters").

   Modelled: 3 voters, one config; vote, Renew and notice exchanges that happen at one instant or whose answer is lost;
   promise LV, lease LL, barrier, HOLDOFF as in reconf.pml; control plane crash with the deadline living on. Two nodes
   exchange frames only after Hellos since the last start of either. ann = the highest term that a node heard another speak
   of (memory: a restart forgets it); a Hello of a NEW START with a lower term than that: it counts no more with that node.
   One disk goes back, once, by any number of terms, and without a vote there (the worst it can hold); by default only if
   both others heard it speak of its last term and neither starts anew later: then of each quorum that it could be in one
   remembers.
   Abstracted: pre-vote, ranks, the data plane's residual (gate.pml), reconfiguration: a CONFIG that goes back is not here.
   Properties: P1 at most one leader a term. P2 never two open gates. P3 nobody whose disk has not gone back is counted out
     (two linked nodes of which one ignores the other elect nobody, for ever: there is no way back but a new uid).
     GATES: only P2.
   Variants that hold: V_COUNTS  the rolled-back uid goes on counting: whose last term both others know is asked for no vote
              in it again. The rule is for what is left out here: a config that went back, more than three voters.
            V_SAMETERM  it goes back within its term: term yes, vote no; there is nothing to notice it by.
   Mutants: M_NOMEM  it goes back although a peer never heard of its last term: two leaders in one term (known limit)
            M_FORGET  a peer starts anew after it, and has forgotten (CR=2); not in run.sh: never run to its end
            M_SAMESTART  any Hello counts, a delayed one of the same start too: P3 falls (was a bug)
            M_LATEBEGIN  the first Hello of a start came before our election had begun and was not noted; a second,
               delayed one of that start then counts: P3 falls
   Run: spin -a rollback.pml && gcc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m2000000 */
#ifndef LV
#define LV 2
#endif
#ifndef LL
#define LL 2
#endif
#ifndef MAXT
#define MAXT 3
#endif
#ifndef CR
#define CR 1
#endif
#define NONE 3
#define FOLLOWER 0
#define CAND 1
#define LEADER 2
#define NOBODY 9
byte term[3] = 1, voted[3], role[3], promise[3], hold[3], barrier[3], lease[3], ann[9] = 1, leadof[5] = NONE;
bool up[3] = 1, rb[9], lk[9] = 1;
#if defined(M_SAMESTART) || defined(M_LATEBEGIN)
byte htm[9] = 1;           /* the term in a Hello that is still under way */
bool noted[9] = 1;
#endif
byte crashes, gone = NOBODY, i, j, k;
#define AT(o, s) ((o) * 3 + (s))
#define TALK(o, s) (up[o] && up[s] && lk[AT(o, s)] && lk[AT(s, o)])
#ifdef M_LATEBEGIN
#define COUNTS(o, s) (!noted[AT(o, s)])
#else
#define COUNTS(o, s) true
#endif
#ifdef M_FORGET
#define MAYSTART true
#else
#define MAYSTART (gone == NOBODY)
#endif
#ifdef M_NOMEM
#define REMEMBERED(s) true
#else
#define REMEMBERED(s) (ann[AT((s + 1) % 3, s)] == term[s] && ann[AT((s + 2) % 3, s)] == term[s])
#endif
#define pick(y) if :: y = 0 :: y = 1 :: y = 2 fi
inline stepdown(a) { role[a] = FOLLOWER; barrier[a] = 0 }
inline seeterm(a, tt) { if :: tt > term[a] -> term[a] = tt; voted[a] = NONE; lease[a] = 0; stepdown(a) :: else fi }
inline hear(o, s) { if :: term[s] > ann[AT(o, s)] -> ann[AT(o, s)] = term[s] :: else fi }
inline out(o, s) {
#ifndef V_COUNTS
   rb[AT(o, s)] = 1;
#endif
#ifndef GATES
   assert(s == gone)                                                        /* P3 */
#else
   skip
#endif
 }
inline hello(o, s) {
   if :: term[s] < ann[AT(o, s)] -> out(o, s) :: else fi; hear(o, s); lk[AT(o, s)] = 1 }
inline setlease(a) { k = 0; do :: k < 3 -> assert(k == a || lease[k] == 0); k++ :: else -> break od; k = 0; lease[a] = LL }
inline lead(a) {
#ifndef GATES
   assert(leadof[term[a]] == NONE);
#endif
   leadof[term[a]] = a; role[a] = LEADER }

active proctype P() {
 atomic { voted[0] = 0; voted[1] = NONE; voted[2] = 0; role[0] = LEADER; leadof[1] = 0 }
 do
 :: d_step { i = 0; do :: i < 3 ->                                           /* tick */
        if :: promise[i] > 0 -> promise[i]-- :: else fi;
        if :: hold[i] > 0 -> hold[i]-- :: else fi;
        if :: barrier[i] > 0 -> barrier[i]-- :: else fi;
        if :: lease[i] > 0 -> lease[i]-- :: else fi; i++ :: else -> break od; i = 0 }
 /* campaign */
 :: atomic { pick(j); if :: up[j] && role[j] != LEADER && hold[j] == 0 && term[j] < MAXT ->
        lease[j] = 0; term[j]++; voted[j] = j; role[j] = CAND; barrier[j] = promise[j] :: else fi; j = 0 }
 /* vote of j for i */
 :: atomic { pick(j); pick(i); if :: i != j && TALK(i, j) && role[i] == CAND && term[i] >= term[j] ->
        hear(j, i);
        if :: !rb[AT(j, i)] && hold[j] == 0 ->
              seeterm(j, term[i]);
              if :: (voted[j] == NONE || voted[j] == i) && role[j] != LEADER ->
                    voted[j] = i; if :: role[j] == CAND -> stepdown(j) :: else fi;
                    if :: skip
                       :: hear(i, j); if :: !rb[AT(i, j)] -> if :: promise[j] > barrier[i] -> barrier[i] = promise[j] :: else fi;
                             lead(i) :: else fi
                    fi
                 :: else fi
           :: else fi
      :: else fi; i = 0; j = 0 }
 /* Renew of j acked by i */
 :: atomic { pick(j); pick(i); if :: i != j && TALK(i, j) && role[j] == LEADER && term[j] >= term[i] ->
        hear(i, j);
        if :: !rb[AT(i, j)] && hold[i] == 0 && !(role[i] == LEADER && term[i] == term[j]) ->
              seeterm(i, term[j]); if :: role[i] != FOLLOWER -> stepdown(i) :: else fi;
              promise[i] = LV;
              if :: skip
                 :: hear(j, i); if :: barrier[j] == 0 && !rb[AT(j, i)] -> setlease(j) :: else fi
              fi
           :: else fi
      :: else fi; i = 0; j = 0 }
 /* any other frame of j at i: a notice of its term */
 :: atomic { pick(j); pick(i); if :: i != j && TALK(i, j) ->
        hear(i, j); if :: !rb[AT(i, j)] && hold[i] == 0 -> seeterm(i, term[j]) :: else fi
      :: else fi; i = 0; j = 0 }
 /* Hellos */
 :: atomic { pick(j); pick(i); if :: i != j && up[i] && up[j] && !lk[AT(i, j)] ->
#ifdef M_LATEBEGIN
        if :: hello(i, j); noted[AT(i, j)] = 1
           :: lk[AT(i, j)] = 1; noted[AT(i, j)] = 0 fi;
#else
        hello(i, j);
#endif
#if defined(M_SAMESTART) || defined(M_LATEBEGIN)
        htm[AT(i, j)] = term[j]
#endif
      :: else fi; i = 0; j = 0 }
#if defined(M_SAMESTART) || defined(M_LATEBEGIN)
 :: atomic { pick(j); pick(i); if :: i != j && TALK(i, j) && COUNTS(i, j) && htm[AT(i, j)] < ann[AT(i, j)] -> out(i, j); noted[AT(i, j)] = 1 :: else fi; i = 0; j = 0 }
#endif
 /* crash, restart; the disk may have gone back meanwhile */
 :: atomic { pick(j); if :: up[j] && crashes < CR && MAYSTART -> up[j] = 0; crashes++; stepdown(j); promise[j] = 0; hold[j] = 0;
        i = 0; do :: i < 3 -> lk[AT(i, j)] = 0; lk[AT(j, i)] = 0; ann[AT(j, i)] = 0; rb[AT(j, i)] = 0; i++ :: else -> break od; i = 0
      :: else fi; j = 0 }
 :: atomic { pick(j); if :: !up[j] -> up[j] = 1; lease[j] = 0; hold[j] = LV;
        if :: skip
#ifdef V_SAMETERM
           :: gone == NOBODY -> gone = j; voted[j] = NONE
#endif
           :: gone == NOBODY && term[j] > 1 && REMEMBERED(j) -> gone = j; voted[j] = NONE; term[j]--; if :: term[j] > 1 -> term[j]-- :: skip fi
        fi
      :: else fi; j = 0 }
 od }
