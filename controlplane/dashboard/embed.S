/* The dashboard's files, packed by build.py: AURORA_DASHBOARD_BLOB is the path. Read only, no executable stack. */
    .section .rodata
    .global aurora_dashboard_blob
    .global aurora_dashboard_blob_end
    .balign 16
aurora_dashboard_blob:
    .incbin AURORA_DASHBOARD_BLOB
aurora_dashboard_blob_end:
    .byte 0
    .section .note.GNU-stack, "", %progbits
