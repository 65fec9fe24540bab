package dev.sqlitepool.internal;

/**
 * Room on the stack of the calling thread. Stateless.
 *
 * <p><b>A caller's stack that ends is to end before anything has happened.</b> A {@link StackOverflowError} can strike at every call, also
 * between taking a lane and giving it back, inside a lock of the JDK, or while a class is initialized, and then nobody could put right what
 * is half done. So whatever runs on a user's thread asks for {@link #require room} before its first change: each method of the pool, of a
 * lease, of a stream, of a future, and each use of a connection. What follows needs less than was there, unless the user's own code
 * takes it, and that has been left when the pool goes on.
 *
 * <p>How: it calls itself, and the virtual machine looks for room each time. So that few calls ask for much, a frame is two kilobytes large. A
 * compiled frame has room for the arguments of the largest call in it, an interpreted one for all variables of the method. Both cost nothing,
 * since they belong to a branch that is taken only while this class is initialized; if it were never taken, nothing would be compiled for it.
 *
 * <p>How much: the pool's own frames were seen to need 16 kilobytes at most, when nothing was linked and all was interpreted.
 */
public final class StackRoom {
    private static final int DEPTH = 16;
    private static final int LARGE = 10 * DEPTH;

    static {
        int unused = 0;
        for (int i = 0; i < 2_000; i++) {
            unused += frame(DEPTH) + (i % 20 == 0 ? frame(LARGE) : 0);
        }
    }

    private StackRoom() {}

    /** Fails with a {@link StackOverflowError} if the stack is nearly used up. */
    public static void require() {
        int unused = frame(DEPTH);
    }

    private static int frame(int depth) {
        if (depth > DEPTH) {
            int l0 = depth, l1 = depth, l2 = depth, l3 = depth, l4 = depth, l5 = depth, l6 = depth, l7 = depth, l8 = depth, l9 = depth, l10 = depth, l11 = depth;
            int l12 = depth, l13 = depth, l14 = depth, l15 = depth, l16 = depth, l17 = depth, l18 = depth, l19 = depth, l20 = depth, l21 = depth, l22 = depth, l23 = depth;
            int l24 = depth, l25 = depth, l26 = depth, l27 = depth, l28 = depth, l29 = depth, l30 = depth, l31 = depth, l32 = depth, l33 = depth, l34 = depth, l35 = depth;
            int l36 = depth, l37 = depth, l38 = depth, l39 = depth, l40 = depth, l41 = depth, l42 = depth, l43 = depth, l44 = depth, l45 = depth, l46 = depth, l47 = depth;
            int l48 = depth, l49 = depth, l50 = depth, l51 = depth, l52 = depth, l53 = depth, l54 = depth, l55 = depth, l56 = depth, l57 = depth, l58 = depth, l59 = depth;
            int l60 = depth, l61 = depth, l62 = depth, l63 = depth, l64 = depth, l65 = depth, l66 = depth, l67 = depth, l68 = depth, l69 = depth, l70 = depth, l71 = depth;
            int l72 = depth, l73 = depth, l74 = depth, l75 = depth, l76 = depth, l77 = depth, l78 = depth, l79 = depth, l80 = depth, l81 = depth, l82 = depth, l83 = depth;
            int l84 = depth, l85 = depth, l86 = depth, l87 = depth, l88 = depth, l89 = depth, l90 = depth, l91 = depth, l92 = depth, l93 = depth, l94 = depth, l95 = depth;
            int l96 = depth, l97 = depth, l98 = depth, l99 = depth, l100 = depth, l101 = depth, l102 = depth, l103 = depth, l104 = depth, l105 = depth, l106 = depth, l107 = depth;
            int l108 = depth, l109 = depth, l110 = depth, l111 = depth, l112 = depth, l113 = depth, l114 = depth, l115 = depth, l116 = depth, l117 = depth, l118 = depth, l119 = depth;
            int l120 = depth, l121 = depth, l122 = depth, l123 = depth, l124 = depth, l125 = depth, l126 = depth, l127 = depth, l128 = depth, l129 = depth, l130 = depth, l131 = depth;
            int l132 = depth, l133 = depth, l134 = depth, l135 = depth, l136 = depth, l137 = depth, l138 = depth, l139 = depth, l140 = depth, l141 = depth, l142 = depth, l143 = depth;
            int l144 = depth, l145 = depth, l146 = depth, l147 = depth, l148 = depth, l149 = depth, l150 = depth, l151 = depth, l152 = depth, l153 = depth, l154 = depth, l155 = depth;
            int l156 = depth, l157 = depth, l158 = depth, l159 = depth, l160 = depth, l161 = depth, l162 = depth, l163 = depth, l164 = depth, l165 = depth, l166 = depth, l167 = depth;
            int l168 = depth, l169 = depth, l170 = depth, l171 = depth, l172 = depth, l173 = depth, l174 = depth, l175 = depth, l176 = depth, l177 = depth, l178 = depth, l179 = depth;
            int l180 = depth, l181 = depth, l182 = depth, l183 = depth, l184 = depth, l185 = depth, l186 = depth, l187 = depth, l188 = depth, l189 = depth, l190 = depth, l191 = depth;
            int l192 = depth, l193 = depth, l194 = depth, l195 = depth, l196 = depth, l197 = depth, l198 = depth, l199 = depth, l200 = depth, l201 = depth, l202 = depth, l203 = depth;
            int l204 = depth, l205 = depth, l206 = depth, l207 = depth, l208 = depth, l209 = depth, l210 = depth, l211 = depth, l212 = depth, l213 = depth, l214 = depth, l215 = depth;
            int l216 = depth, l217 = depth, l218 = depth, l219 = depth, l220 = depth, l221 = depth, l222 = depth, l223 = depth, l224 = depth, l225 = depth, l226 = depth, l227 = depth;
            int l228 = depth, l229 = depth, l230 = depth, l231 = depth, l232 = depth, l233 = depth, l234 = depth, l235 = depth, l236 = depth, l237 = depth, l238 = depth, l239 = depth;
            return large(
                    l0, l1, l2, l3, l4, l5, l6, l7, l8, l9, l10, l11, l12, l13, l14, l15, l16, l17, l18, l19, l20, l21, l22, l23, l24,
                    l25, l26, l27, l28, l29, l30, l31, l32, l33, l34, l35, l36, l37, l38, l39, l40, l41, l42, l43, l44, l45, l46, l47,
                    l48, l49, l50, l51, l52, l53, l54, l55, l56, l57, l58, l59, l60, l61, l62, l63, l64, l65, l66, l67, l68, l69, l70,
                    l71, l72, l73, l74, l75, l76, l77, l78, l79, l80, l81, l82, l83, l84, l85, l86, l87, l88, l89, l90, l91, l92, l93,
                    l94, l95, l96, l97, l98, l99, l100, l101, l102, l103, l104, l105, l106, l107, l108, l109, l110, l111, l112, l113,
                    l114, l115, l116, l117, l118, l119, l120, l121, l122, l123, l124, l125, l126, l127, l128, l129, l130, l131, l132,
                    l133, l134, l135, l136, l137, l138, l139, l140, l141, l142, l143, l144, l145, l146, l147, l148, l149, l150, l151,
                    l152, l153, l154, l155, l156, l157, l158, l159, l160, l161, l162, l163, l164, l165, l166, l167, l168, l169, l170,
                    l171, l172, l173, l174, l175, l176, l177, l178, l179, l180, l181, l182, l183, l184, l185, l186, l187, l188, l189,
                    l190, l191, l192, l193, l194, l195, l196, l197, l198, l199, l200, l201, l202, l203, l204, l205, l206, l207, l208,
                    l209, l210, l211, l212, l213, l214, l215, l216, l217, l218, l219, l220, l221, l222, l223, l224, l225, l226, l227,
                    l228, l229, l230, l231, l232, l233, l234, l235, l236, l237, l238, l239, depth, depth, depth, depth, depth, depth,
                    depth, depth, depth, depth);
        }
        return depth == 0 ? 0 : frame(depth - 1) + 1;
    }

    @SuppressWarnings("unused")
    private static int large(
            int a0, int a1, int a2, int a3, int a4, int a5, int a6, int a7, int a8, int a9, int a10, int a11, int a12, int a13, int a14, int
            a15, int a16, int a17, int a18, int a19, int a20, int a21, int a22, int a23, int a24, int a25, int a26, int a27, int a28, int
            a29, int a30, int a31, int a32, int a33, int a34, int a35, int a36, int a37, int a38, int a39, int a40, int a41, int a42, int
            a43, int a44, int a45, int a46, int a47, int a48, int a49, int a50, int a51, int a52, int a53, int a54, int a55, int a56, int
            a57, int a58, int a59, int a60, int a61, int a62, int a63, int a64, int a65, int a66, int a67, int a68, int a69, int a70, int
            a71, int a72, int a73, int a74, int a75, int a76, int a77, int a78, int a79, int a80, int a81, int a82, int a83, int a84, int
            a85, int a86, int a87, int a88, int a89, int a90, int a91, int a92, int a93, int a94, int a95, int a96, int a97, int a98, int
            a99, int a100, int a101, int a102, int a103, int a104, int a105, int a106, int a107, int a108, int a109, int a110, int a111, int
            a112, int a113, int a114, int a115, int a116, int a117, int a118, int a119, int a120, int a121, int a122, int a123, int a124,
            int a125, int a126, int a127, int a128, int a129, int a130, int a131, int a132, int a133, int a134, int a135, int a136, int
            a137, int a138, int a139, int a140, int a141, int a142, int a143, int a144, int a145, int a146, int a147, int a148, int a149,
            int a150, int a151, int a152, int a153, int a154, int a155, int a156, int a157, int a158, int a159, int a160, int a161, int
            a162, int a163, int a164, int a165, int a166, int a167, int a168, int a169, int a170, int a171, int a172, int a173, int a174,
            int a175, int a176, int a177, int a178, int a179, int a180, int a181, int a182, int a183, int a184, int a185, int a186, int
            a187, int a188, int a189, int a190, int a191, int a192, int a193, int a194, int a195, int a196, int a197, int a198, int a199,
            int a200, int a201, int a202, int a203, int a204, int a205, int a206, int a207, int a208, int a209, int a210, int a211, int
            a212, int a213, int a214, int a215, int a216, int a217, int a218, int a219, int a220, int a221, int a222, int a223, int a224,
            int a225, int a226, int a227, int a228, int a229, int a230, int a231, int a232, int a233, int a234, int a235, int a236, int
            a237, int a238, int a239, int a240, int a241, int a242, int a243, int a244, int a245, int a246, int a247, int a248, int a249) {
        return a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11 + a12 + a13 + a14 + a15 + a16 + a17 + a18 + a19;
    }
}
